"""Candidates: pairs of media of which some frames have near hashes; tools/duplicates/compare.py decides about them.

A whole frame is looked up, as it is and mirrored, among the boxes of all frames; a half among the same halves. A hash
that many media have, such as a title card's, is found in the first MAX_EQUAL of them only, and a medium keeps at most
MAX_OF_MEDIUM candidates, the nearest: so the work grows with the number of media and not with its square.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tools.duplicates.boxes import BOXES, CROPS
from tools.duplicates.hashing import FRAME_HASHES, HASHES, LOOKED_UP, WORDS
from tools.duplicates.join import Cut, Pairs, join

RADIUS = 64
"""Hamming distance up to which two frames make a candidate; compare.py is what keeps the look-alikes out."""
MAX_EQUAL = 16
MAX_OF_MEDIUM = 64
_PENDING = 1 << 22
"""Found pairs that are kept before the best of them are chosen."""


class Hashes(NamedTuple):
    """Hashes of frames of many media."""

    medium: NDArray[np.int64]
    """(N,) numbers of the media."""
    hashes: NDArray[np.uint64]
    """(N, H, 4): to look up, those of LOOKED_UP and of the mirror images; to be found, those of all boxes."""


def to_look_up(hashes: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """(N, H, 4) of (N, FRAME_HASHES, 4): what a medium is looked up by."""
    return hashes[:, [*LOOKED_UP, *range(HASHES, FRAME_HASHES)]]


def to_be_found(hashes: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """(N, H, 4) of (N, FRAME_HASHES, 4): what a medium is found by."""
    return hashes[:, :HASHES]


class Candidates(NamedTuple):
    """Pairs of media, each (n,)."""

    a: NDArray[np.int64]
    """The medium of which a box is like the whole of the other."""
    b: NDArray[np.int64]
    box: NDArray[np.int64]
    """Number in BOXES; of a pair found by a half that of the half."""
    mirrored: NDArray[np.bool_]
    distance: NDArray[np.int64]


@dataclass(slots=True)
class JoinCounts:
    """What bounds kept out, for the report."""

    cut: Cut = field(default_factory=Cut)
    common: int = 0
    """Hashes left out because more than MAX_EQUAL frames have the same."""
    capped: int = 0
    """Candidates left out because a medium had more than MAX_OF_MEDIUM."""


def find_candidates(
    asked: Hashes, blocks: Iterable[Hashes], is_still: NDArray[np.bool_], counts: JoinCounts
) -> Candidates:
    """Candidates among the media of `blocks` for those `asked`, each pair once for each of mirrored and not.

    is_still: by number, whether a medium is a picture; pictures are compared with pictures, videos with videos.
    """
    queries = asked.hashes.reshape(-1, WORDS)
    query_medium = np.repeat(asked.medium, 2 * len(LOOKED_UP))
    query_box = np.tile(np.array([*LOOKED_UP, *LOOKED_UP]), len(asked.medium))
    query_mirrored = np.tile(np.repeat([False, True], len(LOOKED_UP)), len(asked.medium))
    filled = queries.any(1)
    queries, query_medium = queries[filled], query_medium[filled]
    query_box, query_mirrored = query_box[filled], query_mirrored[filled]
    none = np.zeros(0, np.int64)
    found = Candidates(none, none, none, none.astype(np.bool_), none)
    for block in blocks:
        others = block.hashes.reshape(-1, WORDS)
        medium = np.repeat(block.medium, HASHES)
        box = np.tile(np.arange(HASHES), len(block.medium))
        kept = np.flatnonzero(others.any(1))
        kept = kept[_first_of_equal(others[kept], counts)]
        others, medium, box = others[kept], medium[kept], box[kept]
        pending: list[Candidates] = [found]
        for pairs in join(queries, others, RADIUS, counts.cut):
            pending.append(_allowed(pairs, query_medium, query_box, query_mirrored, medium, box, is_still))
            if sum(len(some.a) for some in pending) > _PENDING:
                pending = [_best(pending, counts)]
        found = _best(pending, counts)
    return found


def _allowed(
    pairs: Pairs,
    query_medium: NDArray[np.int64],
    query_box: NDArray[np.int64],
    query_mirrored: NDArray[np.bool_],
    medium: NDArray[np.int64],
    box: NDArray[np.int64],
    is_still: NDArray[np.bool_],
) -> Candidates:
    """Pairs of two media of one kind, whole with box, or half with half."""
    a, b = medium[pairs.other], query_medium[pairs.query]
    asked, found = query_box[pairs.query], box[pairs.other]
    fits = np.where(asked == BOXES.index(CROPS[0]), found < len(CROPS), found == asked)
    kept = fits & (a != b) & (is_still[a] == is_still[b])
    mirrored, distance = query_mirrored[pairs.query], pairs.distance.astype(np.int64)
    return Candidates(a[kept], b[kept], found[kept], mirrored[kept], distance[kept])


def _best(pending: list[Candidates], counts: JoinCounts) -> Candidates:
    """The nearest of each pair of media, and the nearest pairs of each medium."""
    a, b, box, mirrored, distance = (np.concatenate(column) for column in zip(*pending, strict=True))
    low, high = np.minimum(a, b), np.maximum(a, b)
    order = np.lexsort((box, a, distance, mirrored, high, low))
    low, high, turned = low[order], high[order], mirrored[order]
    is_first = np.ones(len(order), np.bool_)
    is_first[1:] = (low[1:] != low[:-1]) | (high[1:] != high[:-1]) | (turned[1:] != turned[:-1])
    order = order[is_first]
    by_medium = order[np.lexsort((a[order], distance[order], b[order]))]
    rank = _rank_in_runs(b[by_medium])
    counts.capped += int((rank >= MAX_OF_MEDIUM).sum())
    chosen = np.sort(by_medium[rank < MAX_OF_MEDIUM])
    return Candidates(a[chosen], b[chosen], box[chosen], mirrored[chosen], distance[chosen])


def _first_of_equal(hashes: NDArray[np.uint64], counts: JoinCounts) -> NDArray[np.int64]:
    """The numbers of the hashes without those that more than MAX_EQUAL before them are equal to."""
    order = np.lexsort(hashes.T)
    in_order = hashes[order]
    run = np.zeros(len(order), np.int64)
    run[1:] = np.cumsum((in_order[1:] != in_order[:-1]).any(1))
    kept = _rank_in_runs(run) < MAX_EQUAL
    counts.common += int((~kept).sum())
    return np.sort(order[kept])


def _rank_in_runs(values: NDArray[np.int64]) -> NDArray[np.int64]:
    """0, 1, 2, ... within each run of equal values."""
    begins = np.flatnonzero(np.append(True, values[1:] != values[:-1])) if len(values) else np.zeros(0, np.int64)
    lengths = np.diff(np.append(begins, len(values)))
    return np.arange(len(values)) - np.repeat(begins, lengths)
