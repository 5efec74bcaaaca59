"""Groups, equal content, and what is kept."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tools.duplicates.groups import best_of, equal_content, groups_of


@given(st.lists(st.tuples(st.integers(0, 12), st.integers(0, 12)), max_size=20))
def test_groups_are_what_pairs_connect(pairs: list[tuple[int, int]]) -> None:
    reach = {number: {number} for pair in pairs for number in pair}
    for _ in range(len(reach)):
        for a, b in pairs:
            reach[a] = reach[b] = reach[a] | reach[b]
            for member in reach[a]:
                reach[member] = reach[a]
    assert {tuple(group) for group in groups_of(pairs)} == {tuple(sorted(group)) for group in reach.values()}


def test_equal_bytes_are_paired_with_the_first() -> None:
    size = np.array([5, 7, 5, 5, 7, 0, 0, 5])
    checksum = np.array([1, 2, 1, 9, 2, 3, 3, 1])
    pairs, is_first = equal_content(size, checksum, np.ones(8, np.bool_))
    assert pairs.tolist() == [[0, 2], [0, 7], [1, 4]]
    assert is_first.tolist() == [True, True, False, True, False, True, True, False]


def test_unknown_checksums_are_equal_to_nothing() -> None:
    pairs, is_first = equal_content(np.array([5, 5]), np.array([-1, -1]), np.ones(2, np.bool_))
    assert not len(pairs)
    assert is_first.all()
    assert not len(equal_content(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0, np.bool_))[0])


def test_the_first_of_the_largest_is_kept() -> None:
    assert best_of([0, 1, 2], np.array([10, 20, 20])) == 1
