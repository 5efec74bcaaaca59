"""Read single samples of a dataset by number, wherever its shards lie.

Promises: one ranged read per sample; the size of every member is verified each time it is read, its checksum the first
time in this process (`verify`; one bit a sample, for shards that were read); sizes are bounded before anything is read;
json is parsed with limits. An index made from headers only has no checksums, and then only sizes are verified. Whatever
is wrong in the data of one sample is a SampleError with its origin. A dataset that does not fit its index is a
DatasetError, and bytes that cannot be had a SourceError: both stop a run, neither is ever taken for a bad sample.
Threads may share a Reader.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from shards.index import MAX_MEDIA_BYTES, MAX_TEXT_BYTES, DatasetError, Index, MemberRow, member_checksum
from shards.records import TextError, Texts, choose, parse
from shards.sample import Origin, Sample, SampleError
from shards.source import MissingFile, SourceError, open_source

_GAP = 1 << 16
"""Members of a sample are fetched in one read when at most this many foreign bytes lie between them."""


class Reader:
    """The elements of one dataset: `elements` says whether an element is a record of a sample, or a sample."""

    def __init__(
        self,
        dataset_name: str,
        url: str,
        elements: Literal["record", "sample"] = "record",
        verify: Literal["once", "always", "never"] = "once",
    ) -> None:
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
        sample, _ = self._locate(shard, row)
        return self._origin(shard, sample)

    def read(self, shard: int, row: int, draw: np.random.Generator) -> Sample:
        """Fetch element number `row` of a shard.

        With elements="record" the number says sample and record; with "sample" the record is drawn from `draw`.
        Raises SampleError, DatasetError, SourceError.
        """
        sample, record = self._locate(shard, row)
        rows = self.index.rows(shard)
        origin = self._origin(shard, sample)
        num_records = int(rows.num_records[sample])  # -1: not known
        if not num_records:
            raise SampleError(origin, "has no text record")
        self._check_shard(shard)
        chosen = _choose(rows.members(sample), int(self.index.shards.bytes[shard]), origin)
        media, *texts = pieces = self._fetch(origin, *chosen)
        if not self._is_verified(shard, sample):
            _check_sums(origin, chosen, pieces)
            self._note_verified(shard, sample)
        records, meta = _parse(dict(zip((member.ext for member in chosen[1:]), texts, strict=True)), origin)
        if len(records) != num_records and (num_records >= 0 or not records):
            expected = "at least 1 is needed" if num_records < 0 else f"the index says {num_records}"
            raise SampleError(origin, f"json has {len(records)} records, {expected}")
        if record is None:
            record = int(draw.integers(len(records)))
        return Sample(origin, media, rows.facts(sample), records[record], record, meta)

    def _locate(self, shard: int, row: int) -> tuple[int, int | None]:
        if not (0 <= shard < len(self.counts) and 0 <= row < self.counts[shard]):
            raise IndexError(f"{self.name}: no element {row} in shard {shard}")
        return self.index.rows(shard).element(row) if self.elements == "record" else (row, None)

    def _origin(self, shard: int, sample: int) -> Origin:
        return Origin(self.name, self.index.shards.names[shard], self.index.rows(shard).keys[sample])

    def _check_shard(self, shard: int) -> None:
        """Once per shard: it is there and has the size that the index knows."""
        if self._checked[shard]:
            return
        name, expected = self.index.shards.names[shard], int(self.index.shards.bytes[shard])
        try:
            found = self.source.size(name)
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

    def _fetch(self, origin: Origin, *members: MemberRow) -> list[bytes]:
        start = min(member.offset for member in members)
        stop = max(member.offset + member.size for member in members)
        if stop - start > sum(member.size for member in members) + _GAP:
            pieces = [self.source.read(origin.shard, member.offset, member.size) for member in members]
        else:
            span = self.source.read(origin.shard, start, stop - start)
            pieces = [span[member.offset - start :][: member.size] for member in members]
        for member, data in zip(members, pieces, strict=True):
            if len(data) != member.size:
                # The shard is large enough, so this is the store's fault and not the sample's.
                what = f"{len(data)} of {member.size} bytes of .{member.ext} at {member.offset}"
                raise SourceError(f"{self.source.url}/{origin.shard}: gave only {what}")
        return pieces

    def _is_verified(self, shard: int, sample: int) -> bool:
        if self._verify != "once":
            return self._verify == "never"
        bits = self._verified.get(shard)
        return bits is not None and bool(bits[sample >> 3] & 1 << (sample & 7))

    def _note_verified(self, shard: int, sample: int) -> None:
        """Two threads at one byte may lose a bit; then that sample is verified once more."""
        if self._verify != "once":
            return
        bits = self._verified.get(shard)
        if bits is None:
            size = (int(self.index.shards.num_samples[shard]) + 7) // 8
            bits = self._verified.setdefault(shard, bytearray(size))
        bits[sample >> 3] |= 1 << (sample & 7)


def _check_sums(origin: Origin, members: list[MemberRow], pieces: list[bytes]) -> None:
    for member, data in zip(members, pieces, strict=True):
        if member.checksum is None:
            continue
        found = member_checksum(data)
        if found != member.checksum:
            raise SampleError(
                origin, f".{member.ext} is damaged: checksum {found:08x}, the index expects {member.checksum:08x}"
            )


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


def _parse(texts: dict[str, bytes], origin: Origin) -> Texts:
    try:
        return parse(texts.get("json"), texts.get("txt"))
    except TextError as error:
        raise SampleError(origin, str(error)) from error
