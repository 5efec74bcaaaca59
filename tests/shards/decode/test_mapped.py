"""Clips of stored frames: chosen, scaled, cut and mirrored as the plan says."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from shards.base.errors import MediaError
from shards.decode.cpu import decode
from shards.media.clip_plan import ClipPlan
from shards.media.mapped import MappedFrames
from tests.shards.small_beton import jpeg

FRAMES = np.random.default_rng(0).integers(0, 256, (5, 12, 20, 3), np.uint8)


def raw(frames: np.ndarray = FRAMES) -> MappedFrames:
    return MappedFrames(len(frames), frames.__getitem__, frames.nbytes)


def jpegs(frames: np.ndarray) -> MappedFrames:
    pictures = [jpeg(frame) for frame in frames]
    return MappedFrames(len(frames), pictures.__getitem__, sum(map(len, pictures)))


@given(data=st.data(), flip=st.booleans())
def test_a_frame_of_the_planned_size_is_copied_bit_for_bit(data: Any, flip: bool) -> None:
    numbers = tuple(data.draw(st.lists(st.integers(0, 4), min_size=1, max_size=6)))
    top, left = data.draw(st.integers(0, 11)), data.draw(st.integers(0, 19))
    height, width = data.draw(st.integers(1, 12 - top)), data.draw(st.integers(1, 20 - left))
    plan = ClipPlan(numbers, (12, 20), (top, left, height, width), flip)
    expected = FRAMES[list(numbers), top : top + height, left : left + width]
    found = decode(raw(), "stored", plan)
    assert found.flags.c_contiguous and found.shape == plan.shape
    np.testing.assert_array_equal(found, expected[:, :, ::-1] if flip else expected)


def test_other_sizes_are_scaled_as_pictures_are() -> None:
    plan = ClipPlan((3, 1), (7, 9), (1, 2, 5, 6), flip=True)
    file = io.BytesIO()
    Image.fromarray(FRAMES[3]).save(file, "PNG")
    picture = decode(file.getvalue(), "image", ClipPlan((0,), (7, 9), (1, 2, 5, 6), flip=True))
    assert np.abs(decode(raw(), "stored", plan)[0].astype(int) - picture[0]).max() <= 1


def test_jpegs_are_near_the_frames_they_were_made_of() -> None:
    smooth = np.repeat(np.linspace(0, 255, 40, dtype=np.uint8)[None, None, :, None], 3, axis=3)
    smooth = np.repeat(np.repeat(smooth, 24, axis=1), 2, axis=0)
    plan = ClipPlan((1, 0, 1), (24, 40), (2, 3, 20, 30))
    found = decode(jpegs(smooth), "stored", plan)
    assert np.abs(found.astype(int) - smooth[[1, 0, 1], 2:22, 3:33]).max() < 6


def test_a_frame_that_is_planned_again_is_read_once() -> None:
    asked: list[int] = []

    def get(number: int) -> np.ndarray:
        asked.append(number)
        return FRAMES[number]

    decode(MappedFrames(5, get, 0), "stored", ClipPlan((2, 2, 0, 2), (12, 20), (0, 0, 12, 20)))
    assert sorted(asked) == [0, 2]


@pytest.mark.parametrize("number", [-1, 5])
def test_a_frame_that_is_not_stored_is_bad_data(number: int) -> None:
    with pytest.raises(MediaError, match=f"frame {number} was planned but 5 are stored"):
        decode(raw(), "stored", ClipPlan((number,), (12, 20), (0, 0, 12, 20)))


def test_a_picture_that_is_none_is_bad_data() -> None:
    with pytest.raises(MediaError, match="not a picture"):
        decode(MappedFrames(1, lambda number: b"nothing", 7), "stored", ClipPlan((0,), (4, 4), (0, 0, 4, 4)))
