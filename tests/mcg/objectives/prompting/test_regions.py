"""Regions are boxes of whole patches, of the released sizes, one per sample wherever it is."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcg.objectives.prompting.regions import draw_boxes, inside


@given(st.integers(0, 2**63 - 1), st.sampled_from([(224, 16), (64, 16), (64, 8), (256, 32)]))
def test_a_box_lies_within_the_frame_and_has_a_share_of_it(seed: int, sizes: tuple[int, int]) -> None:
    side, patch = sizes
    grid = side // patch
    boxes = draw_boxes(seed, np.arange(64), side, patch)
    top, left, height, width = boxes.T
    assert (boxes[:, :2] >= 0).all() and (boxes[:, 2:] >= 1).all()
    assert (top + height <= grid).all() and (left + width <= grid).all()
    assert (height < grid).all() and (width < grid).all()
    # sides are cut to whole patches, so the area may be less than 0.3, and never 0.5
    assert (height * width < 0.5 * grid * grid).all()
    marked = inside(boxes, grid)
    assert (marked.sum((1, 2)) == height * width).all()
    assert all(marked[i, top[i] : top[i] + height[i], left[i] : left[i] + width[i]].all() for i in range(64))


def test_sizes_and_places_are_spread() -> None:
    boxes = draw_boxes(3, np.arange(4000), 224, 16)
    area = boxes[:, 2] * boxes[:, 3] / 196
    assert 0.2 < area.min() < 0.28 and 0.4 < area.max() < 0.5
    assert set(boxes[:, 0]) >= set(range(8)) and set(boxes[:, 1]) >= set(range(8))
    corners = boxes[(boxes[:, 2] == 8) & (boxes[:, 3] == 8)]
    assert abs(corners[:, 0].mean() - 3) < 0.5  # of the places 0 to 6


def test_a_sample_has_its_box_in_any_batch() -> None:
    whole = draw_boxes(7, np.arange(8), 224, 16)
    halves = [draw_boxes(7, np.arange(start, start + 4), 224, 16) for start in (0, 4)]
    assert np.array_equal(whole, np.concatenate(halves))
    assert not np.array_equal(whole, draw_boxes(8, np.arange(8), 224, 16))


def test_a_frame_of_one_patch_has_no_box() -> None:
    with pytest.raises(ValueError, match="no box of 30% to 50% of the area fits 1 x 1 patches"):
        draw_boxes(0, np.arange(1), 16, 16)
