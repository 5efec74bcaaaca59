"""Boxes of frames, and how they are cut."""

from __future__ import annotations

import numpy as np

from tools.duplicates.boxes import BOXES, CROPS, HALVES, WHOLE, cut, resampling


def test_a_crop_of_a_tenth_at_any_place_is_near_a_box() -> None:
    rng = np.random.default_rng(0)
    for wide, high in ((0.9, 0.9), (0.9, 1.0), (1.0, 0.9)):
        for across, down in rng.random((200, 2)):
            left, top = across * (1 - wide), down * (1 - high)
            crop = np.array([left, top, left + wide, top + high])
            assert min(np.abs(crop - box).max() for box in CROPS) <= 0.026


def test_the_whole_comes_first_and_halves_last() -> None:
    assert BOXES[0] == WHOLE
    assert BOXES[-2:] == HALVES
    assert len(set(BOXES)) == len(BOXES)


def test_weights_add_up_and_a_ramp_stays_one() -> None:
    weights = resampling(0.1, 0.9, 128, 32)
    assert np.allclose(weights.sum(1), 1, atol=1e-5)
    ramp = np.tile(np.arange(128, dtype=np.float32), (128, 1))
    found = cut(ramp, (0.25, 0.0, 0.75, 1.0), 16)
    assert np.allclose(found[3], 32 + (np.arange(16) + 0.5) * 4 - 0.5, atol=0.01)


def test_many_pictures_are_cut_at_once() -> None:
    pictures = np.random.default_rng(0).random((3, 2, 32, 32), np.float32)
    found = cut(pictures, CROPS[3], 8)
    assert found.shape == (3, 2, 8, 8)
    assert np.allclose(found[2, 1], cut(pictures[2, 1], CROPS[3], 8))
