"""Groups of media that pairs connect, and which one of each group is kept."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray


def groups_of(pairs: Iterable[tuple[int, int]]) -> list[list[int]]:
    """The media that pairs connect, also over others, in order; union-find."""
    parent: dict[int, int] = {}

    def root(number: int) -> int:
        parent.setdefault(number, number)
        while parent[number] != number:
            parent[number] = parent[parent[number]]
            number = parent[number]
        return number

    for a, b in pairs:
        low, high = sorted((root(a), root(b)))
        parent[high] = low
    found: dict[int, list[int]] = {}
    for number in sorted(parent):
        found.setdefault(root(number), []).append(number)
    return list(found.values())


def equal_content(
    size: NDArray[np.int64], checksum: NDArray[np.int64], chosen: NDArray[np.bool_]
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """((n, 2) pairs of media with equal bytes, (N,) False for each that equals an earlier one).

    Each pair is the first of its kind with another. size, checksum: (N,), a checksum of -1 is not known. Media of equal
    size whose checksums of 32 bits are equal are taken for equal. chosen: (N,) media to look at.
    """
    known = np.flatnonzero(chosen & (checksum >= 0) & (size > 0))
    order = known[np.lexsort((known, checksum[known], size[known]))]
    is_new = np.ones(len(order), np.bool_)
    is_new[1:] = (size[order][1:] != size[order][:-1]) | (checksum[order][1:] != checksum[order][:-1])
    firsts = order[is_new][np.cumsum(is_new) - 1] if len(order) else order
    pairs = np.stack([firsts[~is_new], order[~is_new]], axis=1) if len(order) else np.zeros((0, 2), np.int64)
    is_first = np.ones(len(size), np.bool_)
    is_first[order[~is_new]] = False
    return pairs, is_first


def best_of(group: Iterable[int], pixels: NDArray[np.int64]) -> int:
    """The medium of a group that is kept: the first of those with most pixels a frame."""
    return min(group, key=lambda number: (-int(pixels[number]), number))
