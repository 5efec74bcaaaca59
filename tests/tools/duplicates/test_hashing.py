"""Hashes of frames, against PDQ's own."""

from __future__ import annotations

import sys

import numpy as np
import pdqhash
import pytest

from tests.tools.duplicates.conftest import clip
from tools.duplicates.boxes import BOXES, HALVES
from tools.duplicates.hashing import FRAME_HASHES, HASHES, SIDE, check_installed, frame_hashes
from tools.rows import OptionError

GRAY = clip(1, 1)[0].mean(axis=2, dtype=np.float32)


def test_a_missing_library_is_told_with_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    check_installed()
    monkeypatch.setitem(sys.modules, "pdqhash", None)
    with pytest.raises(OptionError, match=r"pip install 'mcg-streams\[duplicates\]'"):
        check_installed()


def distance(a: np.ndarray, b: np.ndarray) -> int:
    return int(np.bitwise_count(a ^ b).sum())


def test_a_hash_holds_the_bits_of_pdq() -> None:
    small = np.random.default_rng(0).integers(0, 256, (SIDE, SIDE), np.uint8)
    bits, quality = pdqhash.compute(np.repeat(small[:, :, None], 3, axis=2))
    found = frame_hashes(small.astype(np.float32))
    assert quality == 100
    assert found is not None
    assert int(np.bitwise_count(found[0]).sum()) == int(bits.sum())


def test_the_hash_of_a_mirror_image_needs_no_mirror() -> None:
    found, mirrored = frame_hashes(GRAY), frame_hashes(np.ascontiguousarray(GRAY[:, ::-1]))
    assert found is not None and mirrored is not None
    assert found.shape == (FRAME_HASHES, 4)
    assert distance(found[HASHES], mirrored[0]) <= 4
    assert distance(found[0], mirrored[0]) > 64
    assert distance(found[HASHES + 1], mirrored[BOXES.index(HALVES[0])]) <= 4


def test_a_crop_has_the_hash_of_its_box() -> None:
    found, cropped = frame_hashes(GRAY), frame_hashes(GRAY[5:91, 6:122])
    assert found is not None and cropped is not None
    assert min(distance(box, cropped[0]) for box in found[:HASHES]) <= 40


def test_flat_frames_have_no_hash_and_flat_halves_none_of_their_own() -> None:
    assert frame_hashes(np.full((96, 128), 16, np.float32)) is None
    half = GRAY.copy()
    half[:52] = 0
    found = frame_hashes(half)
    assert found is not None
    assert not found[BOXES.index(HALVES[0])].any()
    assert found[BOXES.index(HALVES[1])].any()
