"""The join, against comparing all with all."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from tools.duplicates.join import MAX_BUCKET, Cut, join, num_bands


def hashes(number: int, seed: int) -> NDArray[np.uint64]:
    return np.random.default_rng(seed).integers(0, 2**64, (number, 4), np.uint64)


def flipped(words: NDArray[np.uint64], bits: NDArray[np.int64]) -> NDArray[np.uint64]:
    found = words.copy()
    for bit in bits.tolist():
        found[bit // 64] ^= np.uint64(1 << (63 - bit % 64))
    return found


def found_pairs(queries: NDArray[np.uint64], others: NDArray[np.uint64], radius: int) -> dict[tuple[int, int], int]:
    found: dict[tuple[int, int], int] = {}
    for pairs in join(queries, others, radius, Cut()):
        found |= {
            (query, other): distance
            for query, other, distance in zip(*(column.tolist() for column in pairs), strict=True)
        }
    return found


@settings(max_examples=8)
@given(seed=st.integers(0, 2**32), distance=st.integers(0, 31))
def test_every_pair_within_twice_the_bands_is_found_whatever_bits_differ(seed: int, distance: int) -> None:
    rng = np.random.default_rng(seed)
    others = hashes(40, seed)
    planted = np.stack([flipped(words, rng.choice(256, distance, replace=False)) for words in others[:20]])
    found = found_pairs(planted, others, 31)
    assert num_bands(20, 40) == 16
    assert {(number, number): distance for number in range(20)} == found


def test_distances_are_those_of_all_with_all() -> None:
    rng = np.random.default_rng(1)
    base = hashes(1, 2)[0]
    others = np.stack([flipped(base, rng.choice(256, int(rng.integers(0, 60)), replace=False)) for _ in range(50)])
    truth = np.bitwise_count(others[:, None] ^ others[None]).sum(2)
    found = found_pairs(others, others, 48)
    assert all(truth[pair] == distance <= 48 for pair, distance in found.items())
    exact = {(int(a), int(b)) for a, b in np.argwhere(truth <= 31)}
    assert exact <= set(found)


def test_hashes_that_all_share_cost_no_square() -> None:
    same = np.repeat(hashes(1, 3), 4 * MAX_BUCKET, axis=0)
    cut = Cut()
    looks = sum(len(pairs.query) for pairs in join(same, same, 10, cut))
    assert looks == 16 * len(same) * MAX_BUCKET
    assert cut.lookups == 16 * len(same)


def test_many_hashes_get_wider_bands() -> None:
    assert num_bands(1_000_000, 1_000_000) == 14
    assert num_bands(10**8, 10**8) == 10


def test_nothing_joins_with_nothing() -> None:
    none = np.zeros((0, 4), np.uint64)
    assert not found_pairs(none, hashes(3, 1), 31)
    assert not found_pairs(hashes(3, 1), none, 31)
