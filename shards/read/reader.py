"""Read single samples of a dataset by number, wherever its shards lie.

Promises: one ranged read per sample; the size of every member is verified each time it is read, its checksum the first
time in this process (`verify`; one bit a sample, for shards that were read); sizes are bounded before anything is read;
json is parsed with limits. An index made from headers only has no checksums, and then only sizes are verified. Whatever
is wrong in the data of one sample is a SampleError with its origin. A dataset that does not fit its index is a
DatasetError, and bytes that cannot be had a SourceError: both stop a run, neither is ever taken for a bad sample.
Threads may share a Reader.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Literal, NamedTuple, cast

import numpy as np
import numpy.typing as npt
from numpy.typing import NDArray

from shards.base.errors import ChangedFile, DatasetError, MissingFile, SourceError
from shards.dataset.index.index import Index
from shards.dataset.index.rows import MAX_MEDIA_BYTES, MAX_TEXT_BYTES, MemberRow, member_checksum
from shards.dataset.index.shard_rows import Ranges, ShardRows
from shards.dataset.index.shard_table import check_shard_size
from shards.dataset.members.choice import Chosen, MemberError, choose
from shards.dataset.members.plain_text import TextError
from shards.dataset.members.records import Texts, parse_texts
from shards.dataset.members.rules import UNWRITTEN, MemberRules, MemberSettings
from shards.media.mapped import MappedFrames
from shards.media.medium import Media
from shards.media.partial import PartialMedium
from shards.read.partial_reader import Part, PartialReader
from shards.read.sample import Origin, Sample, SampleError
from shards.storage.addresses import is_remote
from shards.storage.open import open_source
from shards.storage.source import Range, Source

_GAP = 1 << 16
"""Members of a sample are fetched in one read when at most this many foreign bytes lie between them."""


_FAR = np.iinfo(np.int64).max
_MAX_BYTES = np.array([MAX_MEDIA_BYTES, MAX_TEXT_BYTES, MAX_TEXT_BYTES])


_KEPT_BY_MALLOC = 1 << 25
"""Bytes of freed memory that glibc may keep for the next batch, see `_let_malloc_keep`."""


class Fetched(NamedTuple):
    """The verified bytes of one element; the medium perhaps a view into what was read in one piece."""

    sample: int
    record: int | None
    """None: to be drawn."""
    media: memoryview | bytes | PartialMedium | MappedFrames
    json: bytes | None
    txt: bytes | None


if TYPE_CHECKING:
    from shards.cache.cached_source import CachedSource
    from shards.cache.downloads import Downloads


class _Spans(NamedTuple):
    """Where elements lie that are read at once, sorted by shard."""

    parts: list[tuple[int, slice]]
    """(shard, its elements)."""
    sample: NDArray[np.int64]
    record: list[int | None]
    name: list[str]
    start: list[int]
    length: list[int]
    """Bytes from the first member to the last; 0 for an odd one."""
    odd: NDArray[np.bool_]
    """Members far apart, or something that is to be named: fetched by itself."""
    due: NDArray[np.bool_]
    """Whether the checksums are to be compared."""
    places: list[tuple[int, ...]]
    """Offset of medium, json, txt in the span, their sizes, their checksums."""


class Reader:
    """The elements of one dataset: `elements` says whether an element is a record of a sample, or a sample."""

    def __init__(
        self,
        dataset_name: str,
        url: str,
        elements: Literal["record", "sample"] = "record",
        verify: Literal["once", "always", "never"] = "once",
        partial_bytes: int | None = None,
        settings: MemberSettings = MemberSettings(),  # noqa: B008 - immutable
        roots: Sequence[str] = (),
    ) -> None:
        """partial_bytes: videos with a GOP table are given as PartialMedium, and remote ones that are larger than this
        (bytes) fetched only as far as they are used, unless verify is "always". None: all media are bytes.
        settings: which members are read, where not as the index says. roots: places beside the index that its shards
        may lie at (shards/storage/roots.py)."""
        _let_malloc_keep(_KEPT_BY_MALLOC)
        if elements not in ("record", "sample"):
            raise ValueError(f"elements is {elements!r}, allowed are 'record' and 'sample'")
        self.name = dataset_name
        self.elements = elements
        self.index = Index.open(open_source(url, roots), roots)
        indexed = self.index.rules
        self.index.set_members(settings)
        self.rules = self.index.rules
        self._counts_fit = self.rules == indexed
        """Whether the index counted the records that these rules give."""
        self.source = self.index.shard_source
        if elements == "record" and (self.index.shards.num_elements < 0).any():
            raise DatasetError(
                f"{self.index.source.url}: this index was made from headers only and does not know how many records "
                "its samples have; index it again without --headers, or set elements: sample"
            )
        self.cache: CachedSource | None = None
        self.parts: PartialReader | None = None
        self._has_key_frames = self.index.has_key_frames
        if partial_bytes is not None and self._has_key_frames:
            self.parts = PartialReader(self.index, self.source, partial_bytes, verify != "never")
        self._checked = bytearray(len(self.index.shards))
        self._verify = verify
        self._verified: dict[int, bytearray] = {}

    def read_through(self, downloads: Downloads) -> None:
        """Read from copies of whole shards in a cache, where they are or soon will be."""
        from shards.cache.cached_source import CachedSource

        shards = self.index.shards
        facts = zip(shards.names, zip(shards.bytes.tolist(), shards.checksums, strict=True), strict=True)
        self.source = self.cache = CachedSource(self.source, downloads, dict(facts))

    def traffic(self) -> dict[str, float]:
        """What was asked of the store in this process: requests by kind, bytes, retries; empty for a local dataset."""
        counts: Counter[str] = Counter()
        for source in {id(source): source for source in (self.index.source, self.index.shard_source)}.values():
            if is_remote(source.url):
                from shards.storage.remote import RemoteSource  # 60 ms, which local datasets do not pay

                assert isinstance(source, RemoteSource)
                counts.update(source.traffic.snapshot())
        return dict(counts)

    @property
    def counts(self) -> NDArray[np.int64]:
        """Elements of each shard."""
        return self.index.shards.num_elements if self.elements == "record" else self.index.shards.num_samples

    @property
    def fingerprint(self) -> str:
        """Says which shards these are; 32 hexadecimal digits."""
        return self.index.fingerprint

    def fingerprints(self) -> Iterator[str]:
        """Of the first shard, of the first two, and so on."""
        return self.index.shards.fingerprints()

    def origin(self, shard: int, row: int) -> Origin:
        """Where element number `row` of a shard comes from."""
        return self.origin_of(shard, self._element(shard, row)[0])

    def read(self, shard: int, row: int, draw: np.random.Generator) -> Sample:
        """Fetch element number `row` of a shard and make a sample of it.

        With elements="record" the number says sample and record; with "sample" the record is drawn from `draw`.
        Raises SampleError, DatasetError, SourceError.
        """
        (fetched,) = self.fetch([shard], [row])
        if isinstance(fetched, SampleError):
            raise fetched
        return self.sample(self.origin_of(shard, fetched.sample), shard, fetched, lambda: draw)

    def sample(self, origin: Origin, shard: int, fetched: Fetched, draw: Callable[[], np.random.Generator]) -> Sample:
        """Parse the texts of what was fetched, and choose its record, which is drawn if none was planned.

        draw: makes the generator, which costs more than the rest. Raises SampleError.
        """
        rows = self.index.rows(shard)
        num_records = int(rows.num_records[fetched.sample])  # -1: not known
        if not num_records:
            raise SampleError(origin, "has no text record")
        try:
            records, meta, _ = self.texts(fetched)
        except TextError as error:
            raise SampleError(origin, str(error)) from error
        if self.elements == "sample" and not self._counts_fit:
            num_records = -1
        if len(records) != num_records and (num_records >= 0 or not records):
            expected = "at least 1 is needed" if num_records < 0 else f"the index says {num_records}"
            raise SampleError(origin, f"json has {len(records)} records, {expected}{self._how_to_count()}")
        record = fetched.record if fetched.record is not None else int(draw().integers(len(records)))
        media: Media
        if isinstance(fetched.media, PartialMedium):
            media = fetched.media
        else:
            assert not isinstance(fetched.media, MappedFrames)
            media = bytes(fetched.media)
            if self.parts is not None:
                media = self.parts.with_table(shard, fetched.sample, media)
        facts = rows.facts(fetched.sample)
        if self._has_key_frames:
            facts = replace(facts, look_up_key_frames=partial(self.index.gop_table, shard, fetched.sample))
        return Sample(origin, media, facts, records[record], record, meta)

    def texts(self, fetched: Fetched) -> Texts:
        """The records of what was fetched, and what its json says about the sample as a whole. Raises TextError."""
        return parse_texts(fetched.json, fetched.txt, self.rules)

    def _how_to_count(self) -> str:
        if self.rules == UNWRITTEN or not self._counts_fit:
            return f"; index the tars again: python -m shards index {self.source.url} {self.rules.options()}".rstrip()
        return ""

    def fetch(self, shards: npt.ArrayLike, rows: npt.ArrayLike) -> list[Fetched | SampleError]:
        """The verified bytes of elements number `rows` of `shards` (equally many), in their order.

        Lookups are done on arrays, a shard at a time, and what is to be read is asked for all at once: many elements
        cost little beside reading them, and on a remote store no more time than a few. What is wrong in the data of a
        sample stands in its place as SampleError. Raises DatasetError, SourceError.
        """
        shard, row = np.asarray(shards, np.int64), np.asarray(rows, np.int64)
        self._check_elements(shard, row)
        if not len(shard):
            return []
        order = np.argsort(shard, kind="stable")
        shard, row = shard[order], row[order]
        spans = self._spans(shard, row)
        parts = self._begin_parts(shard, spans)
        ranges = list(zip(spans.name, spans.start, spans.length, strict=True))
        data = self._read_checked(
            [number for number, _ in spans.parts],
            [*ranges, *(range_ for part in parts.values() for range_ in part.ranges)],
        )
        cut = self._cut(shard, spans, data[: len(shard)])
        self._take_parts(shard, spans, parts, data[len(shard) :], cut)
        result: list[Fetched | SampleError | None] = [None] * len(shard)
        for slot, fetched in zip(order.tolist(), cut, strict=True):
            result[slot] = fetched
        return cast("list[Fetched | SampleError]", result)

    def _begin_parts(self, shard: NDArray[np.int64], spans: _Spans) -> dict[int, Part]:
        """The elements that are fetched in parts; in spans nothing is left to read of them."""
        if self.parts is None or self.cache is not None or self._verify == "always" or not is_remote(self.source.url):
            return {}
        parts = {}
        for slot, (number, sample, odd) in enumerate(
            zip(shard.tolist(), spans.sample.tolist(), spans.odd.tolist(), strict=True)
        ):
            part = None if odd else self.parts.begin(number, sample, spans.places[slot][3])
            if part is not None:
                parts[slot] = part
                spans.length[slot], spans.due[slot] = 0, False
        return parts

    def _take_parts(
        self,
        shard: NDArray[np.int64],
        spans: _Spans,
        parts: dict[int, Part],
        data: list[bytes],
        cut: list[Fetched | SampleError],
    ) -> None:
        """Put the elements that were fetched in parts into their places."""
        for slot, part in parts.items():
            assert self.parts is not None
            texts, damage = self.parts.take(part, data[: len(part.ranges)])
            data = data[len(part.ranges) :]
            sample = int(spans.sample[slot])
            if damage is None:
                cut[slot] = Fetched(sample, spans.record[slot], part.medium, *texts)
            else:
                cut[slot] = SampleError(self.origin_of(int(shard[slot]), sample), damage)

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

    def _locate(self, rows: ShardRows, row: NDArray[np.int64]) -> tuple[NDArray[np.int64], list[int] | list[None]]:
        """(samples, records) of elements of one shard."""
        if self.elements == "sample":
            return row, [None] * len(row)
        sample = np.searchsorted(rows.first_element, row, side="right") - 1
        return sample, (row - rows.first_element[sample]).tolist()

    def origin_of(self, shard: int, sample: int) -> Origin:
        """Where sample number `sample` of a shard comes from."""
        return Origin(self.name, self.index.shards.names[shard], self.index.rows(shard).keys[sample])

    def _read_checked(self, shards: list[int], ranges: list[Range]) -> list[bytes]:
        """Ranges of shards that are what the index knows: a store says so with the first range of each."""
        try:
            data = self.source.read_many(ranges)
        except ChangedFile as error:
            raise DatasetError(str(error)) from error
        except MissingFile:
            self._check_shards(shards)  # which has more to say
            raise
        self._check_shards(shards)
        return data

    def _check_shards(self, shards: list[int]) -> None:
        """Once per shard: it is there and has the size that the index knows."""
        due = [shard for shard in shards if not self._checked[shard]]
        if not due:
            return
        names = [self.index.shards.names[shard] for shard in due]
        try:
            sizes = [stat.size for stat in self.source.stat_many(names, known=True)]
        except MissingFile as error:
            missing = next((name for name in names if self._is_missing(name)), names[0])
            raise DatasetError(
                f"{self.source.url}/{missing}: the index lists this shard, but it is not there; "
                "copy it again from where the dataset is whole, or build the dataset again"
            ) from error
        for shard, name, found in zip(due, names, sizes, strict=True):
            check_shard_size(f"{self.source.url}/{name}", found, int(self.index.shards.bytes[shard]))
            self._checked[shard] = 1

    def _is_missing(self, name: str) -> bool:
        try:
            self.source.stat_many([name])
        except MissingFile:
            return True
        return False

    def _spans(self, shard: NDArray[np.int64], row: NDArray[np.int64]) -> _Spans:
        """What is to be read for elements that are sorted by shard."""
        cuts = np.flatnonzero(np.diff(shard, prepend=-1)).tolist()
        parts = [(int(shard[a]), slice(a, b)) for a, b in zip(cuts, [*cuts[1:], len(shard)], strict=True)]
        self.index.prefetch(number for number, _ in parts)
        sample = np.empty(len(shard), np.int64)
        record: list[int | None] = []
        due: list[bool] = []
        ranges: list[Ranges] = []
        for number, part in parts:
            rows = self.index.rows(number)
            sample[part], records = self._locate(rows, row[part])
            record += records
            ranges.append(rows.ranges(sample[part]))
            due += self._are_due(number, sample[part].tolist())
        whole = Ranges(*(np.concatenate(arrays, axis=-1) for arrays in zip(*ranges, strict=True)))
        offset, size, there = whole.offset, whole.size, whole.size >= 0
        start = np.where(there, offset, _FAR).min(0)
        length = np.where(there, offset + size, 0).max(0) - start
        shard_bytes = self.index.shards.bytes[shard]
        odd = ~there[0] | ~there[1:].any(0) | (size > _MAX_BYTES[:, None]).any(0) | (start < 0) | (size < -1).any(0)
        odd |= (offset > shard_bytes).any(0) | (start + length > shard_bytes)
        odd |= length > np.where(there, size, 0).sum(0) + _GAP
        odd |= whole.has_some & ~whole.has_checksums
        places = zip(*(offset - start).tolist(), *size.tolist(), *whole.checksum.tolist(), strict=True)
        return _Spans(
            parts,
            sample,
            record,
            [self.index.shards.names[number] for number in shard.tolist()],
            np.where(odd, 0, start).tolist(),
            np.where(odd, 0, length).tolist(),
            odd,
            due & whole.has_checksums,
            list(places),
        )

    def _cut(self, shard: NDArray[np.int64], spans: _Spans, data: list[bytes]) -> list[Fetched | SampleError]:
        """Cut what was read into members and compare their checksums."""
        result: list[Fetched | SampleError] = []
        numbers = (shard.tolist(), spans.sample.tolist(), spans.record, spans.length)
        marks = (spans.odd.tolist(), spans.due.tolist())
        for number, sample, record, length, odd, due, place, piece in zip(
            *numbers, *marks, spans.places, data, strict=True
        ):
            if odd or len(piece) != length:
                result.append(self._fetch_odd(number, sample, record))
                continue
            m_at, j_at, t_at, m_size, j_size, t_size, m_sum, j_sum, t_sum = place
            media = memoryview(piece)[m_at : m_at + m_size]
            json = piece[j_at : j_at + j_size] if j_size >= 0 else None
            txt = piece[t_at : t_at + t_size] if t_size >= 0 else None
            if due and (
                member_checksum(media) != m_sum
                or (json is not None and member_checksum(json) != j_sum)
                or (txt is not None and member_checksum(txt) != t_sum)
            ):
                result.append(self._fetch_odd(number, sample, record))
                continue
            if due:
                self._note_verified(number, sample)
            result.append(Fetched(sample, record, media, json, txt))
        return result

    def _fetch_odd(self, shard: int, sample: int, record: int | None) -> Fetched | SampleError:
        """One of many with care: its members lie far apart, or something is wrong with it and is to be named."""
        try:
            return self._fetch_one(shard, sample, record)
        except SampleError as error:
            return error

    def _fetch_one(self, shard: int, sample: int, record: int | None, source: Source | None = None) -> Fetched:
        """One sample by itself; source: None, or the store behind the cache. Raises SampleError, SourceError."""
        origin = self.origin_of(shard, sample)
        source = source or self.source
        members = self.index.rows(shard).members(sample)
        numbers = _choose(members, self.rules, int(self.index.shards.bytes[shard]), origin)
        chosen = [members[number] for number in numbers if number is not None]
        start = min(member.offset for member in chosen)
        length = max(member.offset + member.size for member in chosen) - start
        if length > sum(member.size for member in chosen) + _GAP:
            pieces = [source.read(origin.shard, member.offset, member.size) for member in chosen]
        else:
            span = source.read(origin.shard, start, length)
            pieces = [span[member.offset - start :][: member.size] for member in chosen]
        for member, data in zip(chosen, pieces, strict=True):
            if len(data) != member.size:
                # The shard is large enough, so this is the store's fault and not the sample's.
                what = f"{len(data)} of {member.size} bytes of .{member.ext} at {member.offset}"
                raise SourceError(f"{self.source.url}/{origin.shard}: gave only {what}")
        if self._are_due(shard, [sample])[0]:
            damages = (member.damage(data) for member, data in zip(chosen, pieces, strict=True))
            reason = next((reason for reason in damages if reason is not None), None)
            if reason is not None:
                if self.cache is None or source is not self.cache:
                    raise SampleError(origin, reason)
                # It may have been a damaged copy, which another thread may have dropped since: the store has the word.
                self.cache.forget(origin.shard)
                return self._fetch_one(shard, sample, record, self.index.shard_source)
            self._note_verified(shard, sample)
        texts = iter(pieces[1:])
        return Fetched(sample, record, pieces[0], *(None if number is None else next(texts) for number in numbers[1:]))

    def _are_due(self, shard: int, samples: list[int]) -> list[bool]:
        """Whether the checksums of some samples are to be compared."""
        if self._verify != "once":
            return [self._verify == "always"] * len(samples)
        bits = self._bits(shard)
        return [not bits[sample >> 3] >> (sample & 7) & 1 for sample in samples]

    def _note_verified(self, shard: int, sample: int) -> None:
        if self._verify == "once":
            self._bits(shard)[sample >> 3] |= 1 << (sample & 7)

    def _bits(self, shard: int) -> bytearray:
        """Who of a shard was verified, a bit each. Two threads at one byte may lose one; then that sample is verified
        once more."""
        bits = self._verified.get(shard)
        if bits is None:
            size = (int(self.index.shards.num_samples[shard]) + 7) // 8
            bits = self._verified.setdefault(shard, bytearray(size))
        return bits


def _choose(members: tuple[MemberRow, ...], rules: MemberRules, shard_bytes: int, origin: Origin) -> Chosen:
    """The medium and the texts there are, of sizes and places that make sense. Raises SampleError."""
    try:
        numbers = choose([member.ext for member in members], rules)
    except MemberError as error:
        raise SampleError(origin, str(error)) from error
    for number, limit in zip(numbers, (MAX_MEDIA_BYTES, MAX_TEXT_BYTES, MAX_TEXT_BYTES), strict=True):
        if number is None:
            continue
        member = members[number]
        if not 0 <= member.size <= limit:
            raise SampleError(origin, f".{member.ext} has {member.size} bytes, the limit is {limit}")
        stop = member.offset + member.size
        if member.offset < 0 or stop > shard_bytes:
            raise SampleError(origin, f".{member.ext} should be bytes {member.offset} to {stop} of {shard_bytes}")
    return numbers


def _let_malloc_keep(num_bytes: int) -> None:
    """Reading halves in speed where every batch that is dropped goes back to the system and the next one is faulted in
    page by page, as glibc does beyond 128 KiB; it learns twice the size of the largest block that it ever saw freed.
    Of `empty` no page is touched; clearing them as `bytearray` does takes 8 ms."""
    np.empty(num_bytes // 2, np.uint8)
