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
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, cast

import numpy as np
import numpy.typing as npt
from numpy.typing import NDArray

from shards.dataset.index.index import Index
from shards.dataset.index.rows import member_checksum
from shards.dataset.members.plain_text import TextError
from shards.dataset.members.records import Texts, parse_meta, parse_texts
from shards.dataset.members.rules import UNWRITTEN, MemberSettings
from shards.media.mapped import MappedFrames
from shards.read.cost import expected_costs
from shards.read.elements import Elements
from shards.read.fetched import Fetched
from shards.read.partial_reader import PartialFetch, PartialReader
from shards.read.sample import Origin, Sample, SampleError
from shards.read.shard_sizes import ShardSizes
from shards.read.single import SingleReads
from shards.read.spans import Lookup, Members, Spans, find_spans
from shards.read.verified import Verified, Verify
from shards.storage.addresses import is_remote
from shards.storage.open import open_source

if TYPE_CHECKING:
    from shards.cache.cached_source import CachedSource
    from shards.cache.downloads import Downloads
    from shards.select.captions import Captions

_KEPT_BY_MALLOC = 1 << 25
"""Bytes of freed memory that glibc may keep for the next batch, see `let_malloc_keep`."""


class Reader:
    """The elements of one dataset: `elements` says whether an element is a record of a sample, or a sample."""

    def __init__(
        self,
        dataset_name: str | None,
        url: str,
        elements: Literal["record", "sample"] = "record",
        verify: Verify = "once",
        partial_bytes: int | None = None,
        settings: MemberSettings = MemberSettings(),  # noqa: B008 - immutable
        roots: Sequence[str] = (),
    ) -> None:
        """dataset_name: None for the name in the index. partial_bytes: videos with a GOP table are PartialMedium, and
        remote ones that are larger than this (bytes) fetched only as far as they are used, unless verify is "always";
        None: all media are bytes. settings: which members are read, where not as the index says. roots:
        folders beside that of the index which its shards may lie in (shards/storage/roots.py)."""
        let_malloc_keep(_KEPT_BY_MALLOC)
        self.index = Index.open(open_source(url, roots), roots)
        self.name = str(self.index.dataset["name"]) if dataset_name is None else dataset_name
        indexed = self.index.rules
        self.index.set_members(settings)
        self.rules = self.index.rules
        self._counts_fit = self.rules == indexed
        """True if the index counted the records that these rules give."""
        self._elements = Elements(self.name, self.index, elements)
        self.source = self.index.shard_source
        self.cache: CachedSource | None = None
        self._is_local = not is_remote(self.source.url)
        self._has_key_frames = self.index.has_key_frames
        self.partial: PartialReader | None = None
        if partial_bytes is not None and self._has_key_frames:
            self.partial = PartialReader(self.index, self.source, partial_bytes, verify != "never")
        self._may_be_partial = verify != "always"
        self._sizes = ShardSizes(self.index)
        self._verified = Verified(verify, self.index.shards.num_samples)
        self._single = SingleReads(self.index, self._elements, self._verified)
        self._captions: Captions | None = None

    def read_through(self, downloads: Downloads) -> None:
        """Read from copies of whole shards in a cache, where they are or soon will be."""
        from shards.cache.cached_source import CachedSource

        shards = self.index.shards
        facts = zip(shards.names, zip(shards.bytes.tolist(), shards.checksums, strict=True), strict=True)
        self.source = self.cache = CachedSource(self.source, downloads, dict(facts))

    def replace_texts(self, captions: Captions) -> None:
        """Give samples the texts of a side table in place of their records; before anything is read."""
        self._captions = self._elements.captions = captions

    def traffic(self) -> dict[str, float]:
        """Counts of this process's requests to the store by kind, bytes and retries; empty for a local dataset."""
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
        return self._elements.counts

    @property
    def fingerprint(self) -> str:
        """Says which shards these are; 32 hexadecimal digits."""
        return self.index.fingerprint

    def fingerprints(self) -> Iterator[str]:
        """The fingerprints of the first shard, of the first two, and so on."""
        return self.index.shards.fingerprints()

    def origin(self, shard: int, row: int) -> Origin:
        """The origin of element number `row` of a shard."""
        return self._elements.origin(shard, self._elements.sample_of(shard, row))

    def origin_of(self, shard: int, sample: int) -> Origin:
        """The origin of sample number `sample` of a shard."""
        return self._elements.origin(shard, sample)

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
        records, meta = self._records_of(origin, shard, fetched)
        record = fetched.record if fetched.record is not None else int(draw().integers(len(records)))
        media = fetched.media
        assert not isinstance(media, MappedFrames)
        if self.partial is not None and isinstance(media, bytes):
            media = self.partial.with_table(shard, fetched.sample, media)
        look_up = partial(self.index.gop_table, shard, fetched.sample) if self._has_key_frames else None
        facts = rows.facts(fetched.sample, look_up)
        return Sample(origin, media, facts, records[record], record, meta, tuple(records))

    def _records_of(self, origin: Origin, shard: int, fetched: Fetched) -> tuple[list[dict[str, Any]], dict[str, Any]]:
        """(records, meta) of a sample. Raises SampleError."""
        captions = None if self._captions is None else self._captions.of(shard, fetched.sample)
        if captions is not None:
            return captions, parse_meta(fetched.json, self.rules)
        num_records = int(self.index.rows(shard).num_records[fetched.sample])  # -1: not known
        if not num_records:
            raise SampleError(origin, "has no text record")
        try:
            records, meta, _ = self.texts(fetched)
        except TextError as error:
            raise SampleError(origin, str(error)) from error
        if self._elements.unit == "sample" and not self._counts_fit:
            num_records = -1  # counted under other rules; a drawn record needs only one or more
        if len(records) != num_records and (num_records >= 0 or not records):
            expected = "at least 1 is needed" if num_records < 0 else f"the index says {num_records}"
            raise SampleError(origin, f"json has {len(records)} records, {expected}{self._how_to_count()}")
        return records, meta

    def texts(self, fetched: Fetched) -> Texts:
        """The records of what was fetched, and what its json says about the sample as a whole. Raises TextError."""
        return parse_texts(fetched.json, fetched.txt, self.rules)

    def _how_to_count(self) -> str:
        if self.rules == UNWRITTEN or not self._counts_fit:
            return f"; index the tars again: python -m shards index {self.source.url} {self.rules.options()}".rstrip()
        return ""

    def fetch(self, shards: npt.ArrayLike, rows: npt.ArrayLike) -> list[Fetched | SampleError]:
        """The verified bytes of elements number `rows` of `shards` (equally many), in their order.

        What is to be read is asked for all at once: many elements cost little beside reading them, and on a remote
        store no more time than a few. What is wrong in the data of a sample stands in its place as SampleError. Raises
        DatasetError, SourceError.
        """
        return self.take(self.find(shards, rows))

    def find(self, shards: npt.ArrayLike, rows: npt.ArrayLike) -> Lookup:
        """Where the bytes of elements lie. It is looked up on arrays, a shard at a time, so that many elements cost
        little more than a few. Raises DatasetError, SourceError."""
        shard, row = np.asarray(shards, np.int64), np.asarray(rows, np.int64)
        self._elements.check(shard, row)
        order = np.argsort(shard, kind="stable")
        found = Lookup(order, find_spans(self.index, self._elements, self._verified, shard[order], row[order]))
        if self._captions is not None:
            self._captions.prefetch(found.spans.shard, found.spans.sample)
        return found

    def costs(self, found: Lookup) -> NDArray[np.float64] | None:
        """(n,) what decoding each of the elements is expected to cost beside the others (shards/read/cost.py), in the
        order in which they were asked for; None where no video is among their shards. Raises DatasetError,
        SourceError."""
        return expected_costs(self.index, found, seeks=self.partial is not None)

    def take(self, found: Lookup) -> list[Fetched | SampleError]:
        """Read what `find` has found, or a part of it; results, and what it raises, as `fetch`."""
        spans = found.spans
        if not spans.shard:
            return []
        fetches = self._plan_partial(spans)
        ranges = spans.ranges(self._is_local)
        more = [range_ for fetch in fetches.values() for range_ in fetch.ranges]
        data = self._sizes.read_many(self.source, spans.shards, [*ranges, *more])
        own, rest = data[: len(ranges)], data[len(ranges) :]
        cut = self._cut(spans, spans.cut(own, self._is_local))
        self._take_partial(spans, fetches, rest, cut)
        result: list[Fetched | SampleError | None] = [None] * len(cut)
        for at, fetched in zip(found.order.tolist(), cut, strict=True):
            result[at] = fetched
        return cast("list[Fetched | SampleError]", result)

    def _plan_partial(self, spans: Spans) -> dict[int, PartialFetch]:
        """The elements of which only some bytes are fetched; in spans nothing is left to read of them."""
        if self.partial is None or self.cache is not None or not self._may_be_partial or self._is_local:
            return {}
        fetches = {}
        for at, (shard, sample, is_odd) in enumerate(zip(spans.shard, spans.sample, spans.is_odd, strict=True)):
            fetch = None if is_odd else self.partial.begin(shard, sample, spans.members[at][3])
            if fetch is not None:
                fetches[at] = fetch
                spans.length[at], spans.is_due[at] = 0, False
        return fetches

    def _take_partial(
        self, spans: Spans, fetches: dict[int, PartialFetch], data: list[bytes], cut: list[Fetched | SampleError]
    ) -> None:
        """Put partial fetches where the elements belong."""
        for at, fetch in fetches.items():
            assert self.partial is not None
            (json, txt), damage = self.partial.take(fetch, data[: len(fetch.ranges)])
            data = data[len(fetch.ranges) :]
            if damage is None:
                cut[at] = Fetched(spans.sample[at], spans.record[at], fetch.medium, json, txt)
            else:
                cut[at] = SampleError(self.origin_of(spans.shard[at], spans.sample[at]), damage)

    def _cut(self, spans: Spans, found: Iterable[Members]) -> list[Fetched | SampleError]:
        """Compare the checksums of members, and read alone what did not come as it should."""
        result: list[Fetched | SampleError] = []
        columns = spans.shard, spans.sample, spans.record, spans.length, spans.is_odd, spans.is_due, spans.members
        for shard, sample, record, length, is_odd, is_due, members, pieces in zip(*columns, found, strict=True):
            media, json, txt = pieces
            if not length and not is_odd:  # fetched in parts
                result.append(Fetched(sample, record, media, json, txt))
                continue
            m_size, j_size, t_size, m_sum, j_sum, t_sum = members[3:]
            is_whole = len(media) == m_size and (json is None or len(json) == j_size)
            if is_odd or not is_whole or not (txt is None or len(txt) == t_size):
                result.append(self._single.fetch(self.source, self.cache, shard, sample, record))
                continue
            if is_due and (
                member_checksum(media) != m_sum
                or (json is not None and member_checksum(json) != j_sum)
                or (txt is not None and member_checksum(txt) != t_sum)
            ):
                result.append(self._single.fetch(self.source, self.cache, shard, sample, record))
                continue
            if is_due:
                self._verified.note(shard, sample)
            result.append(Fetched(sample, record, media, json, txt))
        return result


def let_malloc_keep(num_bytes: int) -> None:
    """Reading halves in speed where every batch that is dropped goes back to the system and the next one is faulted in
    page by page, as glibc does beyond 128 KiB; it learns twice the size of the largest block that it ever saw freed.
    Of `empty` no page is touched; clearing them as `bytearray` does takes 8 ms."""
    np.empty(num_bytes // 2, np.uint8)
