"""Partial fetches: which media of a dataset are fetched in part or decoded by seeking, and how such an element is read.

An element is fetched in part when the store is remote, the index has GOP tables, and the video is larger than a limit
and of a kind in which seeking is trusted. With its texts, whose checksums are compared every time, only the bytes are
fetched that a demuxer reads first; others follow when a clip is planned (`PartialMedium.bring`).
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from typing import NamedTuple

from shards.base.counters import Counters
from shards.base.errors import MediaError, SourceError
from shards.dataset.index.index import Index
from shards.dataset.index.rows import MemberRow
from shards.dataset.members.rules import suffix
from shards.media.facts import KeyFrames
from shards.media.partial import COUNTS, PartialMedium
from shards.media.spans import Span, merge_spans
from shards.media.videos.seekable import SEEKABLE_CODECS, SEEKABLE_EXTENSIONS, usable
from shards.storage.source import Range, Source

_FAR = 1 << 62


class PartialFetch(NamedTuple):
    """The partial fetch of one element."""

    medium: PartialMedium
    texts: list[MemberRow | None]
    """json and other text."""
    spans: list[Span]
    """Byte ranges in the shard: the texts, then what is fetched of the medium first."""
    ranges: list[Range]
    """The requests; `PartialReader.take` gets the answers."""


class PartialReader:
    """The partial fetches of one dataset; threads may share it."""

    def __init__(self, index: Index, source: Source, limit: int, verify: bool) -> None:
        """limit: size of the largest medium that is fetched whole, bytes. verify: whether checksums are compared."""
        self.counts = Counters(*COUNTS)
        self._index, self._source, self._limit, self._verify = index, source, limit, verify

    def begin(self, shard: int, sample: int, size: int) -> PartialFetch | None:
        """The partial fetch of a sample whose medium has this size; None: fetch it whole."""
        if size <= self._limit:
            return None
        row, *texts = self._index.rows(shard).chosen(sample)
        table = self._table(shard, sample, row)
        if row is None or table is None or len(table.frames) < 2:  # a single GOP is needed whole
            return None
        name = self._index.shards.names[shard]

        def fetch(spans: Sequence[Span]) -> list[bytes]:
            spans = [(row.offset + start, row.offset + stop) for start, stop in spans]
            ranges = self._ranges(name, spans)
            return self._cut(ranges, self._source.read_many(ranges), spans)

        def check(data: bytes) -> None:
            if damage := self._damage(row, data):
                raise MediaError(damage)

        medium = PartialMedium(row.size, table, fetch, check, self.counts)
        spans = [(text.offset, text.offset + text.size) for text in texts if text is not None]
        spans += [(row.offset + start, row.offset + stop) for start, stop in medium.opening()]
        return PartialFetch(medium, texts, spans, self._ranges(name, spans))

    def take(self, fetch: PartialFetch, answers: Sequence[bytes]) -> tuple[list[bytes | None], str | None]:
        """Give a medium its answers; returns json and other text, and the damage found in them."""
        pieces = iter(self._cut(fetch.ranges, answers, fetch.spans))
        texts = [None if member is None else next(pieces) for member in fetch.texts]
        fetch.medium.add(fetch.medium.opening(), list(pieces))
        both = zip(fetch.texts, texts, strict=True)
        damages = (self._damage(member, data) for member, data in both if member is not None and data is not None)
        return texts, next(filter(None, damages), None)

    def with_table(self, shard: int, sample: int, data: bytes) -> bytes | PartialMedium:
        """A medium that was read whole, with its GOP table where seeking in it is trusted."""
        table = self._table(shard, sample, self._index.rows(shard).medium(sample))
        return data if table is None else PartialMedium.of_bytes(data, table)

    def _table(self, shard: int, sample: int, medium: MemberRow | None) -> KeyFrames | None:
        """The GOP table of a sample with this medium where seeking in it is trusted."""
        codec = self._index.rows(shard).facts(sample).codec
        if medium is None or codec not in SEEKABLE_CODECS or suffix(medium.ext) not in SEEKABLE_EXTENSIONS:
            return None
        table = self._index.gop_table(shard, sample)
        table = None if table is None else table.without_marks()
        return table if usable(table, medium.size) else None

    def _damage(self, member: MemberRow, data: bytes) -> str | None:
        return member.damage(data) if self._verify else None

    def _ranges(self, name: str, spans: Sequence[Span]) -> list[Range]:
        """Neighbours in one request."""
        ranges = [(name, start, stop - start) for start, stop in merge_spans(spans, _FAR)]
        self.counts.add("requests", len(ranges))
        return ranges

    def _cut(self, ranges: Sequence[Range], answers: Sequence[bytes], spans: Sequence[Span]) -> list[bytes]:
        """The bytes of spans from what the source gave for ranges that hold them. Raises SourceError."""
        for (name, start, length), data in zip(ranges, answers, strict=True):
            if len(data) != length:
                raise SourceError(f"{self._source.url}/{name}: gave only {len(data)} of {length} bytes at {start}")
        firsts = [first for _, first, _ in ranges]
        places = [(bisect_right(firsts, start) - 1, start, stop) for start, stop in spans]
        return [answers[at][start - firsts[at] : stop - firsts[at]] for at, start, stop in places]
