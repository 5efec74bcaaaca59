"""Join hashes of 256 bits by their Hamming distance: multi-index hashing (Norouzi, Punjani, Fleet 2012), in numpy.

The bits are cut into bands, and a pair is looked at where one band differs in at most one bit: with B bands those are
all pairs up to a distance of 2 B - 1, and beyond it those that have such a band. A band is a sorted column, so a lookup
is one in a table of where each value begins.

Promises: memory for the hashes, one sorted copy and blocks of a fixed size, whatever is found. Time grows with
the number of hashes times how many share a band; where more than MAX_BUCKET share one, a query sees the first
MAX_BUCKET only, so that a title card in 100,000 videos costs 100,000 x MAX_BUCKET and not its square; `Cut` counts such
lookups. Gives up: pairs that would be found by no other band.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

BITS = 256
MAX_BUCKET = 256
_BLOCK = 1 << 20
"""Pairs that are looked at at once."""
_MAX_LOOKS = 2.5e9
"""Pairs to look at in a join of evenly spread hashes; bands are made wider where there would be more."""
_BANDS = (16, 14, 13, 12, 11, 10)


class Pairs(NamedTuple):
    """Pairs of a query and a hash, by their numbers; a pair may come more than once."""

    query: NDArray[np.int64]
    other: NDArray[np.int64]
    distance: NDArray[np.uint8]


@dataclass(slots=True)
class Cut:
    """Counts lookups that saw only the first hashes of a band that too many share."""

    lookups: int = 0


def num_bands(num_queries: int, num_hashes: int) -> int:
    """The number of bands: as many as keep the work bounded, and so distances up to twice that, less one, exact."""
    for bands in _BANDS:
        width = BITS / bands
        if num_queries * num_hashes * bands * (1 + width) / 2**width <= _MAX_LOOKS:
            return bands
    return _BANDS[-1]


def join(queries: NDArray[np.uint64], hashes: NDArray[np.uint64], radius: int, cut: Cut) -> Iterator[Pairs]:
    """The pairs of queries (Q, 4) and hashes (N, 4) at most `radius` (< 256) apart, see above for which.

    Words of 64 bits, the first bit of a hash being the highest of its first word.
    """
    if not len(queries) or not len(hashes):
        return
    bands = num_bands(len(queries), len(hashes))
    edges = [BITS * band // bands for band in range(bands + 1)]
    for start, stop in pairwise(edges):
        yield from _join_band(queries, hashes, radius, start, stop - start, cut)


def _join_band(
    queries: NDArray[np.uint64], hashes: NDArray[np.uint64], radius: int, start: int, width: int, cut: Cut
) -> Iterator[Pairs]:
    keys = _band(hashes, start, width)
    order = np.argsort(keys, kind="stable")
    first = np.zeros((1 << width) + 1, np.int64)
    np.cumsum(np.bincount(keys, minlength=1 << width), out=first[1:])
    # In the order of their bands what is compared lies side by side in memory.
    words = [np.ascontiguousarray(hashes[order, word]) for word in range(4)]
    asked = _band(queries, start, width)
    asked_order = np.argsort(asked, kind="stable")
    asked = asked[asked_order]
    for flip in (0, *(1 << bit for bit in range(width))):
        begin = first[asked ^ flip]
        count = first[(asked ^ flip) + 1] - begin
        cut.lookups += int((count > MAX_BUCKET).sum())
        count = np.minimum(count, MAX_BUCKET)
        ends = np.cumsum(count)
        at = 0
        while at < len(ends):
            done = int(ends[at - 1]) if at else 0
            stop = max(at + 1, int(np.searchsorted(ends, done + _BLOCK, side="right")))
            some = slice(at, stop)
            yield from _compare(queries, asked_order[some], begin[some], count[some], words, order, radius)
            at = stop


def _compare(
    queries: NDArray[np.uint64],
    asked: NDArray[np.int64],
    begin: NDArray[np.int64],
    count: NDArray[np.int64],
    words: list[NDArray[np.uint64]],
    order: NDArray[np.int64],
    radius: int,
) -> Iterator[Pairs]:
    """Look at the `count` hashes behind `begin` for each query number in `asked`."""
    total = int(count.sum())
    if not total:
        return
    offset = begin - (np.cumsum(count) - count)
    place = np.repeat(offset, count) + np.arange(total)
    mine = queries[asked]
    distance = np.zeros(total, np.uint8)
    for word in (0, 2):
        distance += np.bitwise_count(np.repeat(mine[:, word], count) ^ words[word][place])
    near = np.flatnonzero(distance <= radius)
    if not len(near):
        return
    place, query = place[near], np.repeat(np.arange(len(asked)), count)[near]
    exact = sum(np.bitwise_count(mine[query, word] ^ words[word][place]).astype(np.int64) for word in range(4))
    kept = exact <= radius
    yield Pairs(asked[query[kept]], order[place[kept]], exact[kept].astype(np.uint8))


def _band(hashes: NDArray[np.uint64], start: int, width: int) -> NDArray[np.int64]:
    """(N,) the bits from `start` on as a number."""
    word, shift = divmod(start, 64)
    bits = hashes[:, word] << np.uint64(shift)
    if shift + width > 64:
        bits |= hashes[:, word + 1] >> np.uint64(64 - shift)
    return (bits >> np.uint64(64 - width)).astype(np.int64)
