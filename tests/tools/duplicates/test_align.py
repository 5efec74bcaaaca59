"""Aligning a crop with what it was cut from."""

from __future__ import annotations

import numpy as np
import pytest

from tests.tools.duplicates.conftest import clip
from tools.duplicates.align import find_box, likeness
from tools.duplicates.boxes import CROPS, WHOLE, Box, cut

GRAY = clip(3, 7).mean(axis=3, dtype=np.float32)


@pytest.mark.parametrize("crop", [(0.02, 0.05, 0.93, 0.96), (0.08, 0.0, 0.98, 0.9), (0.05, 0.05, 0.95, 0.95)])
def test_a_crop_is_found_from_the_nearest_box(crop: Box) -> None:
    start = min(CROPS, key=lambda box: float(np.abs(np.subtract(box, crop)).max()))
    found = find_box(cut(GRAY, WHOLE, 32), cut(GRAY, crop, 32), start)
    assert np.abs(np.subtract(found, crop)).max() <= 0.03
    assert likeness(cut(GRAY, found, 32), cut(GRAY, crop, 32)).min() > 0.97


def test_pictures_of_one_frame_are_aligned(crop: Box = (0.0, 0.0, 0.9, 0.9)) -> None:
    found = find_box(cut(GRAY[:1], WHOLE, 32), cut(GRAY[:1], crop, 32), crop)
    assert np.abs(np.subtract(found, crop)).max() <= 0.03


def test_flat_frames_are_like_nothing() -> None:
    flat = np.full((2, 8, 8), 7, np.float32)
    assert (likeness(flat, flat) == 0).all()
    assert np.allclose(likeness(GRAY, GRAY), 1)
    assert np.allclose(likeness(GRAY, 255 - GRAY), -1)
