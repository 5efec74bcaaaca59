"""Candidates by hashes that are made up."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tools.duplicates.boxes import BOXES
from tools.duplicates.candidates import (
    MAX_EQUAL,
    MAX_OF_MEDIUM,
    Candidates,
    Hashes,
    JoinCounts,
    find_candidates,
    to_be_found,
    to_look_up,
)
from tools.duplicates.hashing import FRAME_HASHES, HASHES


def made_up(number: int, seed: int = 0) -> NDArray[np.uint64]:
    return np.random.default_rng(seed).integers(1, 2**64, (number, FRAME_HASHES, 4), np.uint64)


def candidates(hashes: NDArray[np.uint64], counts: JoinCounts | None = None, still: int = 0) -> Candidates:
    number = np.arange(len(hashes))
    asked, block = Hashes(number, to_look_up(hashes)), Hashes(number, to_be_found(hashes))
    return find_candidates(asked, [block], number < still, counts or JoinCounts())


def rows(found: Candidates) -> list[tuple[int, int, int, bool, int]]:
    return list(zip(*(column.tolist() for column in found), strict=True))


def test_a_box_of_one_that_is_the_whole_of_another_says_which() -> None:
    hashes = made_up(4)
    hashes[2, 0] = hashes[1, 7]
    assert rows(candidates(hashes)) == [(1, 2, 7, False, 0)]


def test_a_mirror_image_is_found_by_its_hash() -> None:
    hashes = made_up(4)
    hashes[3, HASHES] = hashes[0, 5]
    assert rows(candidates(hashes)) == [(0, 3, 5, True, 0)]


def test_halves_are_compared_with_the_same_halves_only() -> None:
    hashes = made_up(4)
    upper, lower = len(BOXES) - 2, len(BOXES) - 1
    hashes[1, upper] = hashes[0, lower]
    hashes[3, 0] = hashes[2, upper]
    assert not rows(candidates(hashes))
    hashes[1, lower] = hashes[0, lower]
    assert [row[:4] for row in rows(candidates(hashes))] == [(0, 1, lower, False)]


def test_pictures_are_not_compared_with_videos() -> None:
    hashes = made_up(3)
    hashes[0, 0] = hashes[1, 0] = hashes[2, 0]
    assert {row[:2] for row in rows(candidates(hashes, still=2))} == {(0, 1)}


def test_flat_boxes_are_not_compared() -> None:
    hashes = made_up(3)
    hashes[:, -1] = hashes[:, HASHES - 1] = 0
    assert not rows(candidates(hashes))


def test_a_hash_of_all_and_its_candidates_are_bounded_and_counted() -> None:
    hashes, counts = made_up(200), JoinCounts()
    hashes[:, 0] = hashes[0, 0]
    found = candidates(hashes, counts)
    assert counts.common == 200 - MAX_EQUAL
    assert len(found.a) <= 200 * MAX_EQUAL
    hashes = made_up(3 * MAX_OF_MEDIUM, seed=1)
    hashes[:, 0] = hashes[0, 0]
    hashes[:, 0, 3] ^= np.arange(len(hashes), dtype=np.uint64) << np.uint64(4)  # nearly equal
    found = candidates(hashes, counts := JoinCounts())
    assert counts.capped > 0
    assert np.bincount(found.b).max() <= MAX_OF_MEDIUM
