"""A selection: the samples of one dataset that `where` and `exclude` leave, as counts per shard and a lookup inside.

Promises: it changes how many elements each shard has, and nothing else of the order. An element keeps the row number
that it has in the whole shard, so origins, errors and the ledger mean the same with and without a selection. Counts
are computed once, a row group of the index at a time, and cached by (data, expression, excluded samples) under
$XDG_CACHE_HOME/mcg-streams or ~/.cache/mcg-streams (shards/select/count_cache.py). Inside a shard the mask is computed
when the shard is first asked for; the last used are kept. Threads may share a Selection. Gives up: nothing is written
beside the data, so every machine makes its own counts.
"""

from __future__ import annotations

import json
import threading
import time
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol

import numpy as np

from shards.base.errors import DatasetError
from shards.base.printing import logger
from shards.dataset.index.shard_table import ShardTable
from shards.dataset.members.rules import MemberRules
from shards.order.order import Int64
from shards.select.count_cache import CountCache
from shards.select.exclusion import Exclusions, read_exclusions
from shards.select.where import Mask, Where, parse_where
from shards.select.where_columns import physical_columns, record_counts, where_column

if TYPE_CHECKING:
    import pyarrow as pa

_logger = logger(__name__)
_LOG_SECONDS = 10.0


class Located(Protocol):
    """Anything with an address."""

    @property
    def url(self) -> str: ...


class SelectionIndex(Protocol):
    """A dataset as a selection uses it, of shards (`Index`) or of another format."""

    @property
    def source(self) -> Located: ...
    @property
    def dataset(self) -> Mapping[str, Any]:
        """The content of dataset.json; its name is needed."""

    @property
    def shards(self) -> ShardTable: ...
    @property
    def fingerprint(self) -> str: ...
    @property
    def rules(self) -> MemberRules: ...
    def layout_digest(self) -> str: ...
    def columns(self, shard: int, names: Sequence[str]) -> pa.Table: ...
    def scan(self, names: Sequence[str]) -> Iterator[tuple[int, int, pa.Table]]: ...


class _ShardLookup(NamedTuple):
    """The selected samples of a shard: element e is of the first sample i with e < ends[i], in row e + shift[i]."""

    ends: Int64
    shift: Int64


class Selection:
    """The selected samples of an index."""

    rows_kept = 1 << 21
    """Most selected samples that are kept of the shards that were used last, 16 bytes each."""

    def __init__(
        self,
        name: str,
        index: SelectionIndex,
        where: Where | None,
        exclusions: Exclusions,
        elements: Literal["record", "sample"],
        cache: Path | None = None,
    ) -> None:
        """cache: a folder for counts, None for the user's. Raises ValueError when nothing is left."""
        self._name = name
        self._index = index
        self._where = where
        self._exclusions = exclusions
        self._by_record = elements == "record"
        content = json.dumps([where.spelling if where else "", exclusions.digest()])
        address = json.dumps([index.fingerprint, index.layout_digest(), content, *index.rules.media])
        count_cache = CountCache(address, cache)
        self._file = count_cache.file
        counts = count_cache.read(index.shards)
        if counts is None:
            counts = self._count()
            count_cache.write(counts)
        if len(index.shards) and not counts[0].any():
            raise ValueError(self._nothing_left())
        self.num_samples = int(counts[0].sum())
        self.counts: Int64 = counts[1] if self._by_record else counts[0]
        """(S,) selected elements of each shard."""
        self._content, self._all_counts = content.encode(), counts
        self._kept: OrderedDict[int, _ShardLookup] = OrderedDict()
        self._rows_held = 0
        self._lock = threading.Lock()

    @property
    def digest(self) -> str:
        """`digest_of` all shards."""
        return self.digest_of(len(self.counts))

    def digest_of(self, num_shards: int) -> str:
        """8 hexadecimal digits over the expression, the excluded samples and the counts of the first shards."""
        import xxhash

        counts = np.ascontiguousarray(self._all_counts[:, :num_shards])
        return xxhash.xxh3_64_hexdigest(self._content + counts.tobytes())[:8]

    def row(self, shard: int, number: int) -> int:
        """The row, in the whole shard, of its selected element `number`."""
        with self._lock:
            lookup = self._kept.get(shard)
            if lookup is None:
                lookup = self._kept[shard] = self._look_up(shard)
                self._rows_held += len(lookup.ends)
                while self._rows_held > self.rows_kept and len(self._kept) > 1:
                    self._rows_held -= len(self._kept.popitem(last=False)[1].ends)
            else:
                self._kept.move_to_end(shard)
        sample = int(np.searchsorted(lookup.ends, number, side="right"))
        return number + int(lookup.shift[sample])

    def _look_up(self, shard: int) -> _ShardLookup:
        table = self._index.columns(shard, self._physical)
        kept = np.flatnonzero(self._mask(table, shard, shard + 1))
        size = record_counts(table) if self._by_record else np.ones(table.num_rows, np.int64)
        first = np.cumsum(size) - size
        ends = np.cumsum(size[kept])
        found, expected = int(ends[-1]) if len(ends) else 0, int(self.counts[shard])
        if found != expected:
            raise DatasetError(
                f"{self._index.source.url}: the selection has {found} elements in {self._index.shards.names[shard]}, "
                f"{expected} were counted; the index was changed behind this loader's back, or {self._file} is wrong: "
                "remove that file and start again"
            )
        return _ShardLookup(ends, first[kept] - (ends - size[kept]))

    @property
    def _physical(self) -> list[str]:
        """The columns of index.parquet that a mask needs."""
        names = physical_columns(self._where.columns if self._where is not None else ())
        return sorted(names | {"num_records"} | ({"key"} if len(self._exclusions) else set()))

    def _mask(self, table: pa.Table, first: int, stop: int) -> Mask:
        """(n,) True for each selected sample among the rows of shards first..stop."""
        masks = [mask for _, mask in self._masks(table, first, stop)]
        return np.logical_and.reduce(masks) if masks else np.ones(table.num_rows, bool)

    def _masks(self, table: pa.Table, first: int, stop: int) -> list[tuple[str, Mask]]:
        """(description, mask) of each condition of `where` and of the exclusions."""
        shards = self._index.shards
        members = list(zip(shards.names[first:stop], shards.num_samples[first:stop].tolist(), strict=True))
        masks: list[tuple[str, Mask]] = []
        if self._where is not None:
            try:
                columns = {name: where_column(table, name, members, self._index.rules) for name in self._where.columns}
            except ValueError as error:
                raise DatasetError(
                    f"{self._index.source.url}: the index {error}; build the dataset again, or index its tars again"
                ) from error
            masks = [(one.text, one.mask(columns)) for one in self._where.conditions]
        if len(self._exclusions):
            keys = table.column("key").combine_chunks()
            masks.append((f"exclude ({len(self._exclusions)} samples)", ~self._exclusions.mask(keys, members)))
        return masks

    def _count(self) -> Int64:
        """(2, S) selected samples and their records, per shard."""
        shards = self._index.shards
        unknown = sorted(set(self._exclusions.shards) - set(shards.names))
        if unknown:
            _logger.warning(
                "%s: exclude names %d shards that are not here, e.g. %s",
                self._index.source.url,
                len(unknown),
                unknown[0],
            )
        counts = np.zeros((2, len(shards)), np.int64)
        done, spoke = 0, time.monotonic()
        for first, stop, table in self._index.scan(self._physical):
            mask = self._mask(table, first, stop)
            shard = np.repeat(np.arange(stop - first), shards.num_samples[first:stop])[mask]
            counts[0, first:stop] = np.bincount(shard, minlength=stop - first)
            counts[1, first:stop] = np.bincount(shard, record_counts(table)[mask], minlength=stop - first)
            done += table.num_rows
            if time.monotonic() - spoke > _LOG_SECONDS:
                spoke = time.monotonic()
                _logger.info(
                    "%s: selecting, %d of %d samples seen", self._index.source.url, done, shards.num_samples.sum()
                )
        return counts

    def _nothing_left(self) -> str:
        left: dict[str, int] = {}
        for first, stop, table in self._index.scan(self._physical):
            for what, mask in self._masks(table, first, stop):
                left[what] = left.get(what, 0) + int(mask.sum())
        alone = ", ".join(f"{what}: {count}" for what, count in left.items())
        what = f"where {self._where.text!r}" if self._where is not None else "exclude"
        total = int(self._index.shards.num_samples.sum())
        where = f"dataset {self._name!r} at {self._index.source.url}"
        return f"{where}: {what} leaves none of {total} samples; each condition alone leaves: {alone}"


def open_selection(
    index: SelectionIndex, name: str, where: str | None, exclude: Sequence[str], elements: Literal["record", "sample"]
) -> Selection | None:
    """The selection that the fields of a dataset's config describe (shards/loader/config.py); None: all samples."""
    if where is None and not exclude:
        return None
    parsed = parse_where(where) if where is not None else None
    exclusions = read_exclusions(exclude, {name, index.dataset["name"]})
    return Selection(name, index, parsed, exclusions, elements)
