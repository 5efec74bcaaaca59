"""Read single samples of a dataset by number, wherever its shards lie.

Promises: one ranged read per sample; the size of every member is verified each time it is read, its checksum the first
time in this process (`verify`; one bit a sample, for shards that were read); sizes are bounded before anything is read;
json is parsed with limits. An index made from headers only has no checksums, and then only sizes are verified. Whatever
is wrong in the data of one sample is a SampleError with its origin. A dataset that does not fit its index is a
DatasetError, and bytes that cannot be had a SourceError: both stop a run, neither is ever taken for a bad sample.
Threads may share a Reader.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from typing import Literal, NamedTuple, cast

import numpy as np
import numpy.typing as npt
from numpy.typing import NDArray

from shards.index import MAX_MEDIA_BYTES, MAX_TEXT_BYTES, DatasetError, Index, KeyFrames, MemberRow, member_checksum
from shards.media import SEEKABLE_CODECS, SEEKABLE_EXTENSIONS, MediaError
from shards.partial import FetchCounts, Media, PartialMedium, Span, merge_spans, usable
from shards.records import TextError, choose, parse
from shards.sample import Origin, Sample, SampleError
from shards.source import MissingFile, SourceError, is_remote, open_source

_GAP = 1 << 16
"""Members of a sample are fetched in one read when at most this many foreign bytes lie between them."""


_FAR = np.iinfo(np.int64).max
_MAX_BYTES = np.array([MAX_MEDIA_BYTES, MAX_TEXT_BYTES, MAX_TEXT_BYTES])


class Fetched(NamedTuple):
    """The verified bytes of one element; views into what was read in one piece."""

    sample: int
    record: int | None
    """None: to be drawn."""
    media: memoryview | bytes
    json: memoryview | bytes | None
    txt: memoryview | bytes | None


class Reader:
    """The elements of one dataset: `elements` says whether an element is a record of a sample, or a sample."""

    def __init__(
        self,
        dataset_name: str,
        url: str,
        elements: Literal["record", "sample"] = "record",
        verify: Literal["once", "always", "never"] = "once",
        partial_bytes: int | None = None,
    ) -> None:
        """partial_bytes: `read` gives videos with a GOP table as PartialMedium, and fetches remote ones that are larger
        than this (bytes) only as far as they are used, unless verify is "always". None: all media are bytes."""
        if elements not in ("record", "sample"):
            raise ValueError(f"elements is {elements!r}, allowed are 'record' and 'sample'")
        self.name = dataset_name
        self.elements = elements
        self.index = Index.open(open_source(url))
        self.source = self.index.shard_source
        if elements == "record" and (self.index.shards.num_elements < 0).any():
            raise DatasetError(
                f"{url}: this index was made from headers only and does not know how many records its samples have; "
                "index it again without --headers, or set elements: sample"
            )
        self._checked = bytearray(len(self.index.shards))
        self._verify = verify
        self._verified: dict[int, bytearray] = {}
        self._partial_bytes = partial_bytes
        self._is_remote = is_remote(self.source.url)
        self.partial_counts = FetchCounts()
        """What was fetched of media that were not read whole."""

    @property
    def counts(self) -> NDArray[np.int64]:
        """Elements of each shard."""
        return self.index.shards.num_elements if self.elements == "record" else self.index.shards.num_samples

    @property
    def fingerprint(self) -> str:
        """Says which shards these are; 32 hexadecimal digits."""
        return self.index.fingerprint

    def origin(self, shard: int, row: int) -> Origin:
        """Where element number `row` of a shard comes from."""
        return self._origin(shard, self._element(shard, row)[0])

    def read(self, shard: int, row: int, draw: np.random.Generator) -> Sample:
        """Fetch element number `row` of a shard.

        With elements="record" the number says sample and record; with "sample" the record is drawn from `draw`.
        Raises SampleError, DatasetError, SourceError.
        """
        sample, record_ = self._element(shard, row)
        self._check_shard(shard)
        medium, fetched = self._fetch_medium(shard, sample, record_)
        rows = self.index.rows(shard)
        origin = self._origin(shard, sample)
        num_records = int(rows.num_records[fetched.sample])  # -1: not known
        if not num_records:
            raise SampleError(origin, "has no text record")
        try:
            texts = (None if text is None else bytes(text) for text in (fetched.json, fetched.txt))
            records, meta = parse(*texts)
        except TextError as error:
            raise SampleError(origin, str(error)) from error
        if len(records) != num_records and (num_records >= 0 or not records):
            expected = "at least 1 is needed" if num_records < 0 else f"the index says {num_records}"
            raise SampleError(origin, f"json has {len(records)} records, {expected}")
        record = fetched.record if fetched.record is not None else int(draw.integers(len(records)))
        return Sample(origin, medium, rows.facts(fetched.sample), records[record], record, meta)

    def fetch(self, shards: npt.ArrayLike, rows: npt.ArrayLike) -> list[Fetched | SampleError]:
        """The verified bytes of elements number `rows` of `shards` (equally many), in their order.

        Lookups are done on arrays, a shard at a time, so many elements at once cost little beside reading them. What
        is wrong in the data of a sample stands in its place as SampleError. Raises DatasetError, SourceError.
        """
        shard, row = np.asarray(shards, np.int64), np.asarray(rows, np.int64)
        self._check_elements(shard, row)
        result: list[Fetched | SampleError | None] = [None] * len(shard)
        order = np.argsort(shard, kind="stable")
        cuts = np.flatnonzero(np.diff(shard[order])) + 1
        for slots in np.split(order, cuts) if len(order) else ():
            for slot, fetched in zip(slots.tolist(), self._fetch_from(int(shard[slots[0]]), row[slots]), strict=True):
                result[slot] = fetched
        assert None not in result
        return cast("list[Fetched | SampleError]", result)

    def _check_elements(self, shard: NDArray[np.int64], row: NDArray[np.int64]) -> None:
        there = (shard >= 0) & (shard < len(self.counts)) & (row >= 0)
        wrong = np.flatnonzero(~there | (row >= self.counts[np.where(there, shard, 0)]))
        if len(wrong):
            raise IndexError(f"{self.name}: no element {row[wrong[0]]} in shard {shard[wrong[0]]}")

    def _element(self, shard: int, row: int) -> tuple[int, int | None]:
        """(sample, record) of one element."""
        if not (0 <= shard < len(self.counts) and 0 <= row < self.counts[shard]):
            raise IndexError(f"{self.name}: no element {row} in shard {shard}")
        return self.index.rows(shard).element(row) if self.elements == "record" else (row, None)

    def _locate(self, shard: int, row: NDArray[np.int64]) -> tuple[NDArray[np.int64], list[int] | list[None]]:
        """(samples, records) of elements of one shard."""
        if self.elements == "sample":
            return row, [None] * len(row)
        first = self.index.rows(shard).first_element
        sample = np.searchsorted(first, row, side="right") - 1
        return sample, (row - first[sample]).tolist()

    def _origin(self, shard: int, sample: int) -> Origin:
        return Origin(self.name, self.index.shards.names[shard], self.index.rows(shard).keys[sample])

    def _check_shard(self, shard: int) -> None:
        """Once per shard: it is there and has the size that the index knows."""
        if self._checked[shard]:
            return
        name, expected = self.index.shards.names[shard], int(self.index.shards.bytes[shard])
        try:
            found = self.source.stat(name).size
        except MissingFile as error:
            raise DatasetError(
                f"{self.source.url}/{name}: the index lists this shard, but it is not there; "
                "copy it again from where the dataset is whole, or build the dataset again"
            ) from error
        if found != expected:
            raise DatasetError(
                f"{self.source.url}/{name}: has {found} bytes, the index expects {expected}; the shard was replaced or "
                "cut off, or the index is older than it: copy shards and index together again"
            )
        self._checked[shard] = 1

    def _fetch_from(self, shard: int, row: NDArray[np.int64]) -> list[Fetched | SampleError]:
        """`fetch` within one shard."""
        self._check_shard(shard)
        sample, record = self._locate(shard, row)
        ranges = self.index.rows(shard).ranges(sample)
        offset, size = ranges.offset, ranges.size
        there = size >= 0
        start = np.where(there, offset, _FAR).min(0)
        length = np.where(there, offset + size, 0).max(0) - start
        odd = ~there[0] | ~there[1:].any(0) | (size > _MAX_BYTES[:, None]).any(0) | (start < 0) | (size < -1).any(0)
        odd |= (offset > self.index.shards.bytes[shard]).any(0) | (start + length > self.index.shards.bytes[shard])
        odd |= length > np.where(there, size, 0).sum(0) + _GAP
        odd |= ranges.has_some & ~ranges.has_checksums
        due = self._are_due(shard, sample) & ranges.has_checksums
        places = zip(*(offset - start).tolist(), *size.tolist(), *ranges.checksum.tolist(), strict=True)
        read = self.source.range_reader(self.index.shards.names[shard])
        result: list[Fetched | SampleError] = []
        samples = sample.tolist()
        whole = zip(samples, record, start.tolist(), length.tolist(), odd.tolist(), due.tolist(), places, strict=True)
        for sample_, record_, start_, length_, odd_, due_, place in whole:
            if odd_:
                result.append(self._fetch_odd(shard, sample_, record_))
                continue
            m_at, j_at, t_at, m_size, j_size, t_size, m_sum, j_sum, t_sum = place
            data = memoryview(read(start_, length_))
            if len(data) != length_:
                result.append(self._fetch_odd(shard, sample_, record_))
                continue
            media = data[m_at : m_at + m_size]
            json = data[j_at : j_at + j_size] if j_size >= 0 else None
            txt = data[t_at : t_at + t_size] if t_size >= 0 else None
            if due_ and (
                member_checksum(media) != m_sum
                or (json is not None and member_checksum(json) != j_sum)
                or (txt is not None and member_checksum(txt) != t_sum)
            ):
                result.append(self._fetch_odd(shard, sample_, record_))
                continue
            result.append(Fetched(sample_, record_, media, json, txt))
        if self._verify == "once":
            bits = np.frombuffer(self._bits(shard), np.uint8)
            good = sample[due & [isinstance(fetched, Fetched) for fetched in result]]
            np.bitwise_or.at(bits, good >> 3, np.uint8(1) << (good & 7).astype(np.uint8))
        return result

    def _fetch_odd(self, shard: int, sample: int, record: int | None) -> Fetched | SampleError:
        """One of many with care: its members lie far apart, or something is wrong with it and is to be named."""
        try:
            return self._fetch_one(shard, sample, record)
        except SampleError as error:
            return error

    def _fetch_one(self, shard: int, sample: int, record: int | None) -> Fetched:
        """One sample by itself. Raises SampleError, SourceError."""
        origin = self._origin(shard, sample)
        chosen = _choose(self.index.rows(shard).members(sample), int(self.index.shards.bytes[shard]), origin)
        start = min(member.offset for member in chosen)
        length = max(member.offset + member.size for member in chosen) - start
        if length > sum(member.size for member in chosen) + _GAP:
            pieces = [self.source.read(origin.shard, member.offset, member.size) for member in chosen]
        else:
            span = self.source.read(origin.shard, start, length)
            pieces = [span[member.offset - start :][: member.size] for member in chosen]
        for member, data in zip(chosen, pieces, strict=True):
            if len(data) != member.size:
                # The shard is large enough, so this is the store's fault and not the sample's.
                what = f"{len(data)} of {member.size} bytes of .{member.ext} at {member.offset}"
                raise SourceError(f"{self.source.url}/{origin.shard}: gave only {what}")
        if self._is_due(shard, sample):
            for member, data in zip(chosen, pieces, strict=True):
                _check_sum(origin, member, data)
            if self._verify == "once":
                self._bits(shard)[sample >> 3] |= 1 << (sample & 7)
        texts = {member.ext: data for member, data in zip(chosen[1:], pieces[1:], strict=True)}
        return Fetched(sample, record, pieces[0], texts.get("json"), texts.get("txt"))

    def _fetch_medium(self, shard: int, sample: int, record: int | None) -> tuple[Media, Fetched]:
        """One sample with its medium as it is handed out. Raises SampleError, DatasetError, SourceError."""
        if self._partial_bytes is None or self.index.rows(shard).facts(sample).codec not in SEEKABLE_CODECS:
            fetched = self._fetch_one(shard, sample, record)
            return bytes(fetched.media), fetched
        origin = self._origin(shard, sample)
        chosen = _choose(self.index.rows(shard).members(sample), int(self.index.shards.bytes[shard]), origin)
        table = self.index.gop_table(shard, sample)
        known = table is not None and usable(table, chosen[0].size) and chosen[0].ext in SEEKABLE_EXTENSIONS
        if known and self._is_remote and self._verify != "always" and chosen[0].size > self._partial_bytes:
            assert table is not None
            return self._fetch_partly(origin, chosen, table, sample, record)
        fetched = self._fetch_one(shard, sample, record)
        data = bytes(fetched.media)
        return (PartialMedium.of_bytes(data, table) if table is not None and known else data), fetched

    def _fetch_partly(
        self, origin: Origin, chosen: list[MemberRow], table: KeyFrames, sample: int, record: int | None
    ) -> tuple[PartialMedium, Fetched]:
        """The texts and the beginning of the medium, at once."""
        whole = chosen[0]

        def fetch(spans: Sequence[Span]) -> list[bytes]:
            return self._read_spans(origin, [(start + whole.offset, stop + whole.offset) for start, stop in spans])

        def check(data: bytes) -> None:
            damage = _damage(whole, data)
            if damage is not None and self._verify != "never":
                raise MediaError(damage)

        medium = PartialMedium(whole.size, table, fetch, check, self.partial_counts)
        opening = medium.opening()
        texts = [(member.offset, member.offset + member.size) for member in chosen[1:]]
        spans = [*texts, *((start + whole.offset, stop + whole.offset) for start, stop in opening)]
        pieces = self._read_spans(origin, spans)
        medium.add(opening, pieces[len(texts) :])
        found: dict[str, bytes] = {}
        for member, data in zip(chosen[1:], pieces, strict=False):
            if self._verify != "never":
                _check_sum(origin, member, data)
            found[member.ext] = data
        return medium, Fetched(sample, record, b"", found.get("json"), found.get("txt"))

    def _read_spans(self, origin: Origin, spans: Sequence[Span]) -> list[bytes]:
        """Bytes of one shard, neighbours in one request and all requests at once. Raises SourceError."""
        merged = merge_spans(spans, _FAR)
        ranges = [(origin.shard, start, stop - start) for start, stop in merged]
        pieces = self.source.read_many(ranges)
        for (name, start, length), data in zip(ranges, pieces, strict=True):
            if len(data) != length:
                raise SourceError(f"{self.source.url}/{name}: gave only {len(data)} of {length} bytes at {start}")
        self.partial_counts.count(requests=len(ranges))
        firsts = [start for start, _ in merged]
        result = []
        for start, stop in spans:
            at = bisect_right(firsts, start) - 1
            result.append(pieces[at][start - firsts[at] : stop - firsts[at]])
        return result

    def _is_due(self, shard: int, sample: int) -> bool:
        """Whether the checksums of a sample are to be compared."""
        if self._verify != "once":
            return self._verify == "always"
        return not self._bits(shard)[sample >> 3] >> (sample & 7) & 1

    def _are_due(self, shard: int, sample: NDArray[np.int64]) -> NDArray[np.bool_]:
        if self._verify != "once":
            return np.full(len(sample), self._verify == "always")
        bits = np.frombuffer(self._bits(shard), np.uint8)
        return np.asarray((bits[sample >> 3] >> (sample & 7).astype(np.uint8)) & 1 == 0)

    def _bits(self, shard: int) -> bytearray:
        """Who of a shard was verified, a bit each. Two threads at one byte may lose one; then that sample is verified
        once more."""
        bits = self._verified.get(shard)
        if bits is None:
            size = (int(self.index.shards.num_samples[shard]) + 7) // 8
            bits = self._verified.setdefault(shard, bytearray(size))
        return bits


def _check_sum(origin: Origin, member: MemberRow, data: bytes) -> None:
    damage = _damage(member, data)
    if damage is not None:
        raise SampleError(origin, damage)


def _damage(member: MemberRow, data: bytes) -> str | None:
    """What is wrong with the bytes of a member; None where nothing is, or nobody knows."""
    if member.checksum is None or (found := member_checksum(data)) == member.checksum:
        return None
    return f".{member.ext} is damaged: checksum {found:08x}, the index expects {member.checksum:08x}"


def _choose(members: tuple[MemberRow, ...], shard_bytes: int, origin: Origin) -> list[MemberRow]:
    """The medium, then the texts there are."""
    try:
        numbers = choose([member.ext for member in members])
    except TextError as error:
        raise SampleError(origin, str(error)) from error
    chosen = [members[number] for number in numbers if number is not None]
    for member, limit in zip(chosen, (MAX_MEDIA_BYTES, MAX_TEXT_BYTES, MAX_TEXT_BYTES), strict=False):
        if not 0 <= member.size <= limit:
            raise SampleError(origin, f".{member.ext} has {member.size} bytes, the limit is {limit}")
        stop = member.offset + member.size
        if member.offset < 0 or stop > shard_bytes:
            raise SampleError(origin, f".{member.ext} should be bytes {member.offset} to {stop} of {shard_bytes}")
    return chosen
