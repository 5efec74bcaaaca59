"""Splits that share nothing: no id, and no medium by its content.

Promises: compared are all keys, and the checksum of every medium with its size, as the index has them: 12 bytes a
sample. A checksum has 32 bits, so equal pairs of equal size are confirmed by reading both media.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from shards.base import PrintableError
from shards.cli import Dataset
from tools.trust.contents import key_hash

_EXAMPLES = 10
_MOST_CONFIRMED = 1000


@dataclass(slots=True)
class Overlap:
    """What two datasets share."""

    first: str
    second: str
    ids: int | None
    """Keys in both; None where they are of different sets, whose ids mean nothing to each other."""
    contents: int = 0
    """Media in both."""
    unconfirmed: int = 0
    """Pairs among them of equal checksum and size whose bytes were not compared."""
    id_examples: list[str] = field(default_factory=list)
    content_examples: list[str] = field(default_factory=list)

    @property
    def num_problems(self) -> int:
        """Ids and media in both."""
        return (self.ids or 0) + self.contents


class _Marks(NamedTuple):
    """Marks of the samples of a dataset, in order: hashes of keys; checksum and size of the medium, 0 if unknown."""

    keys: NDArray[np.uint64]
    media: NDArray[np.uint64]


def overlaps(datasets: Sequence[Dataset]) -> list[Overlap]:
    """What each two of some datasets share. Raises DatasetError, SourceError."""
    marks = [_marks(dataset) for dataset in datasets]
    return [
        _overlap(datasets[one], datasets[other], marks[one], marks[other])
        for one, other in combinations(range(len(datasets)), 2)
    ]


def _marks(dataset: Dataset) -> _Marks:
    keys, media = [np.zeros(0, np.uint64)], [np.zeros(0, np.uint64)]
    index = dataset.index
    for shard in range(len(index.shards)):
        rows = index.rows(shard)
        ranges = rows.ranges(np.arange(len(rows.keys)))
        keys.append(np.fromiter(map(key_hash, rows.keys), np.uint64, len(rows.keys)))
        known = ranges.there[0] & ranges.has_checksum[0]
        mark = ranges.checksum[0].astype(np.int64).astype(np.uint64) << np.uint64(32)
        mark |= ranges.size[0].astype(np.int64).astype(np.uint64) & np.uint64(0xFFFFFFFF)
        media.append(np.where(known, mark, np.uint64(0)))
    return _Marks(np.concatenate(keys), np.concatenate(media))


def _overlap(one: Dataset, other: Dataset, marks: _Marks, others: _Marks) -> Overlap:
    found = Overlap(one.url, other.url, ids=None)
    if _set(one) == _set(other):
        _, first, second = np.intersect1d(marks.keys, others.keys, return_indices=True)
        found.ids = len(first)
        found.id_examples = [f"{_place(one, n)} and {_place(other, m)}" for n, m in _some(first, second, _EXAMPLES)]
    shared, first, second = np.intersect1d(marks.media, others.media, return_indices=True)
    first, second = first[shared > 0], second[shared > 0]
    found.unconfirmed = max(0, len(first) - _MOST_CONFIRMED)
    found.contents = found.unconfirmed
    for number, at in _some(first, second, _MOST_CONFIRMED):
        mine, theirs = _medium(one, number), _medium(other, at)
        if mine is None or theirs is None:
            found.unconfirmed += 1
        elif mine != theirs:
            continue
        found.contents += 1
        if len(found.content_examples) < _EXAMPLES:
            found.content_examples.append(f"{_place(one, number)} and {_place(other, at)}")
    return found


def _some(first: NDArray[np.int64], second: NDArray[np.int64], most: int) -> list[tuple[int, int]]:
    return list(zip(first[:most].tolist(), second[:most].tolist(), strict=True))


def _set(dataset: Dataset) -> str:
    """The set that a dataset is a split of."""
    provenance = dataset.index.dataset.get("provenance")
    known = provenance.get("dataset") if isinstance(provenance, dict) else None
    return str(known or dataset.name)


def _at(dataset: Dataset, number: int) -> tuple[int, int]:
    counts = dataset.index.shards.num_samples
    ends = np.cumsum(counts)
    shard = int(np.searchsorted(ends, number, side="right"))
    return shard, number - int(ends[shard] - counts[shard])


def _place(dataset: Dataset, number: int) -> str:
    shard, row = _at(dataset, number)
    return f"{dataset.index.shards.names[shard]}:{dataset.index.rows(shard).keys[row]}"


def _medium(dataset: Dataset, number: int) -> bytes | None:
    """The bytes of a medium; None where they cannot be read."""
    shard, row = _at(dataset, number)
    medium = dataset.index.rows(shard).medium(row)
    assert medium is not None
    try:
        return dataset.shards.read(dataset.index.shards.names[shard], medium.offset, medium.size)
    except PrintableError:
        return None
