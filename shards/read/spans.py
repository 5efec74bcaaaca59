"""Spans: which bytes of which shard hold the members of many elements, looked up on arrays, a shard at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from shards.dataset.index.index import Index
from shards.dataset.index.rows import MAX_MEDIA_BYTES, MAX_TEXT_BYTES
from shards.dataset.index.shard_rows import Ranges
from shards.read.elements import Elements
from shards.read.verified import Verified
from shards.storage.source import Range

MAX_GAP = 1 << 16
"""Members of a sample are fetched in one read when at most this many foreign bytes lie between them."""
_SMALL = 1 << 12
"""Bytes of a sample that are as quickly copied as read by themselves."""
_FAR = np.iinfo(np.int64).max
_MAX_BYTES = np.array([[MAX_MEDIA_BYTES], [MAX_TEXT_BYTES], [MAX_TEXT_BYTES]])


Members = tuple[bytes, bytes | None, bytes | None]
"""The medium, the json and the other text of an element; None where it has none."""


class Spans(NamedTuple):
    """The bytes of n elements that are read at once, sorted by shard."""

    shards: list[int]
    """Every shard once."""
    shard: list[int]
    """(n,) the shard of each element; all that follow are (n,) too."""
    sample: list[int]
    record: list[int | None]
    name: list[str]
    """The name of the shard."""
    start: list[int]
    length: list[int]
    """Bytes from the first member to the last; 0 for an element that needs a read of its own."""
    is_odd: list[bool]
    """Needs its own read: members lie too far apart, or the row is inconsistent."""
    is_due: list[bool]
    """The checksums are to be compared."""
    members: list[tuple[int, ...]]
    """Offset of medium, json, txt in the span, their sizes (-1: there is none), their checksums."""

    def part(self, numbers: Sequence[int]) -> Spans:
        """Some of the elements, by their numbers here, in order."""
        columns: list[list[Any]] = [[column[number] for number in numbers] for column in self[1:]]
        return Spans(list(dict.fromkeys(columns[0])), *columns)

    def ranges(self, are_near: bool) -> list[Range]:
        """What to read: a range for each element, with what lies between its members too, or one for each member.

        are_near: the shards are files of this machine, where large members are read to where they stay. A far store is
        asked once for each element.
        """
        spans = zip(self.name, self.start, self.length, strict=True)
        if not are_near or max(self.length) <= _SMALL:
            return list(spans)
        found: list[Range] = []
        for (name, start, length), members in zip(spans, self.members, strict=True):
            if length <= _SMALL:
                found.append((name, start, length))
            else:
                offsets_and_sizes = zip(members[:3], members[3:6], strict=True)
                found += ((name, start + offset, size) for offset, size in offsets_and_sizes if size >= 0)
        return found

    def cut(self, pieces: Sequence[bytes], are_near: bool) -> Iterator[Members]:
        """The members of each element, from the bytes of `ranges`."""
        came = iter(pieces)
        for length, members in zip(self.length, self.members, strict=True):
            m_at, j_at, t_at, m_size, j_size, t_size = members[:6]
            piece = next(came)
            if are_near and length > _SMALL:
                json = next(came) if j_size >= 0 else None
                yield piece, json, next(came) if t_size >= 0 else None
            else:
                # Copies, so that the piece goes at once. They are made by the thread that reads: each decoding thread
                # would keep some megabytes of an arena of malloc for them.
                media = piece[m_at : m_at + m_size]
                json = piece[j_at : j_at + j_size] if j_size >= 0 else None
                yield media, json, piece[t_at : t_at + t_size] if t_size >= 0 else None


class Lookup(NamedTuple):
    """Where the bytes of some elements lie."""

    order: NDArray[np.int64]
    """(n,) the place of each span among the elements that were asked for."""
    spans: Spans

    def part(self, start: int, stop: int) -> Lookup:
        """That of elements `start` to `stop` alone."""
        own = np.flatnonzero((self.order >= start) & (self.order < stop))
        return Lookup(self.order[own] - start, self.spans.part(own.tolist()))


def find_spans(
    index: Index, elements: Elements, verified: Verified, shard: NDArray[np.int64], row: NDArray[np.int64]
) -> Spans:
    """The bytes to read for elements number `row` of `shard`, which are sorted by shard."""
    if not len(shard):
        return Spans([], [], [], [], [], [], [], [], [], [])
    cuts = np.flatnonzero(np.diff(shard, prepend=-1)).tolist()
    slices = [(int(shard[a]), slice(a, b)) for a, b in zip(cuts, [*cuts[1:], len(shard)], strict=True)]
    index.prefetch(number for number, _ in slices)
    sample = np.empty(len(shard), np.int64)
    record: list[int | None] = []
    due: list[bool] = []
    ranges: list[Ranges] = []
    for number, own in slices:
        sample[own], records = elements.locate(number, row[own])
        record += records
        ranges.append(index.rows(number).ranges(sample[own]))
        due += verified.are_due(number, sample[own].tolist())
    there, offset, size, checksum, has_checksum = (np.concatenate(part, axis=1) for part in zip(*ranges, strict=True))
    offset, size = np.where(there, offset, np.int64(0)), np.where(there, size, np.int64(-1))
    start = np.where(there, offset, _FAR).min(0)
    length = np.where(there, offset + size, 0).max(0) - start
    shard_bytes = index.shards.bytes[shard]
    has_checksums = (has_checksum | ~there).all(0)
    # No medium or no text; bad size or offset; beyond the shard; too far apart; checksums for some members only.
    odd = ~there[0] | ~there[1:].any(0) | (size > _MAX_BYTES).any(0) | (start < 0) | (there & (size < 0)).any(0)
    odd |= (offset > shard_bytes).any(0) | (start + length > shard_bytes)
    odd |= length > np.where(there, size, 0).sum(0) + MAX_GAP
    odd |= (has_checksum & there).any(0) & ~has_checksums
    numbers = shard.tolist()
    return Spans(
        [number for number, _ in slices],
        numbers,
        sample.tolist(),
        record,
        [index.shards.names[number] for number in numbers],
        np.where(odd, 0, start).tolist(),
        np.where(odd, 0, length).tolist(),
        odd.tolist(),
        (due & has_checksums).tolist(),
        list(zip(*(offset - start).tolist(), *size.tolist(), *checksum.tolist(), strict=True)),
    )
