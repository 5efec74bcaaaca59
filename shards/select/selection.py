"""A selection: the samples of one dataset that `where`, `exclude` and side tables leave, and how often each stands in a
pass, as counts per shard and a lookup inside.

Promises: it changes how many elements each shard has, and nothing else of the order. An element keeps the row number
that it has in the whole shard, so origins, errors and the ledger mean the same with and without a selection. Counts
are computed once, a row group of the index at a time, and cached by (data, expression, excluded samples, used values of
side tables) under $XDG_CACHE_HOME/mcg-streams or ~/.cache/mcg-streams (shards/select/count_cache.py). Inside a shard
the mask is computed when the shard is first asked for; the last used are kept. Threads may share a Selection. Gives
up: nothing is written beside the data, so every machine makes its own counts.
"""

from __future__ import annotations

import json
import threading
import time
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np

from shards.base.errors import DatasetError
from shards.base.printing import logger
from shards.order.order import Int64
from shards.select.conditions import Conditions, SelectionIndex
from shards.select.count_cache import CountCache
from shards.select.exclusion import Exclusions, read_exclusions
from shards.select.where import Where, parse_where
from shards.select.where_columns import record_counts

if TYPE_CHECKING:
    import pyarrow as pa

    from shards.select.side_tables import SideTables

_logger = logger(__name__)
_LOG_SECONDS = 10.0


class Places(NamedTuple):
    """The places of n selected elements, (n,) each."""

    rows: Int64
    """Rows in the whole shards."""
    copies: Int64 | None
    """Which one of the copies of its row each is; None: there is one of each."""
    times: Int64 | None
    """How many copies of its row a pass holds."""


class _ShardLookup(NamedTuple):
    """The selected samples of a shard: element e is of the first sample i with e < ends[i], in row e + shift[i].

    With repeats: its copies, of sizes[i] elements each, follow each other; e + shift[i] is right for the first one.
    """

    ends: Int64
    shift: Int64
    repeats: tuple[Int64, Int64] | None
    """(elements of one copy of each sample, number of its copies); None: all stand once in a pass."""


class Selection:
    """The selected samples of an index."""

    rows_kept = 1 << 21
    """Most selected samples that are kept of the shards that were used last, 16 bytes each (with repeats 32)."""

    def __init__(
        self,
        name: str,
        index: SelectionIndex,
        where: Where | None,
        exclusions: Exclusions,
        elements: Literal["record", "sample"],
        cache: Path | None = None,
        tables: SideTables | None = None,
    ) -> None:
        """cache: a folder for counts, None for the user's. tables: side tables of which something is used.

        Raises ValueError when nothing is left.
        """
        self._name = name
        self._index = index
        self._where = where
        self._exclusions = exclusions
        self._tables = tables
        self._conditions = Conditions(index, where, exclusions, elements, tables)
        by_record = elements == "record"
        content = json.dumps([where.spelling if where else "", exclusions.digest()])
        address = json.dumps([index.fingerprint, index.layout_digest(), content, *index.rules.media])
        if tables is not None:
            address += json.dumps([elements, tables.digest_of(len(index.shards))])
        count_cache = CountCache(address, cache)
        self._file = count_cache.file
        counts = count_cache.read(index.shards)
        if counts is None:
            counts = self._count()
            count_cache.write(counts)
        if len(index.shards) and not counts[0].any():
            raise ValueError(self._nothing_left())
        self.num_samples = int(counts[0].sum())
        self.counts: Int64 = counts[1] if by_record or tables is not None else counts[0]
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
        """8 hexadecimal digits over the expression, the excluded samples, and the counts and the used values of side
        tables of the first shards."""
        import xxhash

        counts = np.ascontiguousarray(self._all_counts[:, :num_shards])
        values = b"" if self._tables is None else self._tables.digest_of(num_shards).encode()
        return xxhash.xxh3_64_hexdigest(self._content + counts.tobytes() + values)[:8]

    @property
    def repeats(self) -> bool:
        """True if elements may stand more than once in a pass."""
        return self._tables is not None and self._tables.repeats is not None

    def row(self, shard: int, number: int) -> int:
        """The row, in the whole shard, of its selected element `number`."""
        return int(self.places(np.array([shard]), np.array([number])).rows[0])

    def places(self, shards: Int64, numbers: Int64) -> Places:
        """The places of the selected elements `numbers` of `shards`, (n,) each."""
        order = np.argsort(shards, kind="stable")
        ends = np.append(np.flatnonzero(np.diff(shards[order])) + 1, len(shards)).tolist()
        rows = np.empty_like(numbers)
        copies, times = (np.zeros_like(numbers), np.ones_like(numbers)) if self.repeats else (None, None)
        start = 0
        for end in ends if len(shards) else ():
            own = order[start:end]
            lookup, number = self._lookup(int(shards[own[0]])), numbers[own]
            sample = lookup.ends.searchsorted(number, side="right")
            row = number + lookup.shift[sample]
            if lookup.repeats is not None and copies is not None and times is not None:
                size, times[own] = (of_samples[sample] for of_samples in lookup.repeats)
                copies[own] = (number - lookup.ends[sample] + size * times[own]) // size
                row -= copies[own] * size
            rows[own] = row
            start = end
        return Places(rows, copies, times)

    def _lookup(self, shard: int) -> _ShardLookup:
        with self._lock:
            lookup = self._kept.get(shard)
            if lookup is None:
                lookup = self._kept[shard] = self._look_up(shard)
                self._rows_held += len(lookup.ends)
                while self._rows_held > self.rows_kept and len(self._kept) > 1:
                    self._rows_held -= len(self._kept.popitem(last=False)[1].ends)
            else:
                self._kept.move_to_end(shard)
        return lookup

    def _look_up(self, shard: int) -> _ShardLookup:
        table = self._index.columns(shard, self._conditions.physical)
        kept = np.flatnonzero(self._conditions.mask(table, shard, shard + 1))
        size = self._conditions.sizes(table, shard, shard + 1)
        first = np.cumsum(size) - size
        times = self._conditions.times(shard, shard + 1)
        taken = size[kept] if times is None else size[kept] * times[kept]
        ends = np.cumsum(taken)
        found, expected = int(ends[-1]) if len(ends) else 0, int(self.counts[shard])
        if found != expected:
            raise DatasetError(
                f"{self._index.source.url}: the selection has {found} elements in {self._index.shards.names[shard]}, "
                f"{expected} were counted; the index was changed behind this loader's back, or {self._file} is wrong: "
                "remove that file and start again"
            )
        repeats = None if times is None else (size[kept], times[kept])
        return _ShardLookup(ends, first[kept] - (ends - taken), repeats)

    def _count(self) -> Int64:
        """(2, S) selected samples and their records, per shard; with side tables their elements, copies counted."""
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
        for first, stop, table in self._index.scan(self._conditions.physical):
            mask = self._conditions.mask(table, first, stop)
            weights = self._weights(table, first, stop)
            shard = np.repeat(np.arange(stop - first), shards.num_samples[first:stop])[mask]
            counts[0, first:stop] = np.bincount(shard, minlength=stop - first)
            counts[1, first:stop] = np.bincount(shard, weights[mask], minlength=stop - first)
            done += table.num_rows
            if time.monotonic() - spoke > _LOG_SECONDS:
                spoke = time.monotonic()
                _logger.info(
                    "%s: selecting, %d of %d samples seen", self._index.source.url, done, shards.num_samples.sum()
                )
        return counts

    def _weights(self, table: pa.Table, first: int, stop: int) -> Int64:
        """(n,) what the samples of shards first..stop count in the second row of the counts."""
        if self._tables is None:
            return record_counts(table)
        size, times = self._conditions.sizes(table, first, stop), self._conditions.times(first, stop)
        return size if times is None else size * times

    def _nothing_left(self) -> str:
        left: dict[str, int] = {}
        for first, stop, table in self._index.scan(self._conditions.physical):
            for what, mask in self._conditions.masks(table, first, stop):
                left[what] = left.get(what, 0) + int(mask.sum())
        alone = ", ".join(f"{what}: {count}" for what, count in left.items())
        others = "exclude" if self._tables is None else "exclude or a side table"
        what = f"where {self._where.text!r}" if self._where is not None else others
        total = int(self._index.shards.num_samples.sum())
        where = f"dataset {self._name!r} at {self._index.source.url}"
        return f"{where}: {what} leaves none of {total} samples; each condition alone leaves: {alone}"


def open_selection(
    index: SelectionIndex,
    name: str,
    where: str | None,
    exclude: Sequence[str],
    elements: Literal["record", "sample"],
    tables: SideTables | None = None,
) -> Selection | None:
    """The selection that the fields of a dataset's config describe (shards/loader/config.py); None: all samples.

    tables: opened for the same index and expression.
    """
    used = tables if tables is not None and tables.are_used else None
    if where is None and not exclude and used is None:
        return None
    parsed = parse_where(where) if tables is None and where is not None else None
    if tables is not None:
        parsed = tables.where
    exclusions = read_exclusions(exclude, {name, index.dataset["name"]})
    return Selection(name, index, parsed, exclusions, elements, tables=used)
