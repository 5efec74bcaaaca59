"""Brightness, motion and blur of frames whose values can be told by eye."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from tests.tools.scores.graded import gray
from tools.scores.statistics import blur, brightness, motion


@pytest.mark.parametrize(("level", "expected"), [(0, 0.0), (51, 0.2), (255, 1.0)])
def test_brightness_is_the_share_of_full_white(level: int, expected: float) -> None:
    assert brightness(gray(level, 3), [], None) == pytest.approx(expected, abs=1e-6)


def test_green_counts_more_than_blue() -> None:
    values = [brightness(np.full((1, 8, 8, 3), colour, np.uint8), [], None) for colour in np.eye(3, dtype=int) * 255]
    assert values == pytest.approx([0.299, 0.587, 0.114], abs=1e-6)


def test_motion_is_the_mean_change_from_frame_to_frame() -> None:
    assert motion(gray(100, 4), [], None) == 0.0 == motion(gray(100), [], None)
    assert motion(np.concatenate([gray(0), gray(255), gray(255)]), [], None) == pytest.approx(0.5, abs=1e-6)


def test_what_is_filtered_is_more_blurred_and_one_colour_has_no_edge() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (1, 64, 64, 1), np.uint8).repeat(3, 3)
    found = [blur(noise, [], None)]
    for width in (3, 9):
        rows = np.lib.stride_tricks.sliding_window_view(noise, width, 1).mean(-1)
        found.append(blur(np.lib.stride_tricks.sliding_window_view(rows, width, 2).mean(-1).astype(np.uint8), [], None))
    assert found[0] < 0.15 < found[1] < 0.25 < found[2] < 1.0
    assert blur(gray(77), [], None) == 1.0
    along_one_axis = np.lib.stride_tricks.sliding_window_view(noise, 9, 1).mean(-1).astype(np.uint8)
    assert blur(along_one_axis, [], None) > found[1], "blur of a moving camera goes one way only"


@given(arrays(np.uint8, st.tuples(st.integers(1, 3), st.integers(1, 24), st.integers(1, 24), st.just(3))))
def test_every_value_lies_between_0_and_1(frames: np.ndarray) -> None:
    for score in (brightness, motion, blur):
        assert -1e-6 <= score(frames, [], None) <= 1 + 1e-6
