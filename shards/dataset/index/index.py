"""The three files beside the shards that say what a dataset holds; docs/data_format.md has every byte.

  dataset.json    format version, name, counts, fingerprint, provenance; written last (absent: unfinished)
  shards.parquet  a row per shard: name, samples, elements, bytes, checksum, first row in index.parquet
  index.parquet   a row per sample: key, byte range and checksum of each member, records, media facts

Plain parquet and json, readable with any tool. Written by `DatasetWriter` and by `python -m shards index`; the latter
may leave out what it did not look at: checksums (null), the number of records (-1), media facts (0 frames).
`Index.open` reads dataset.json, shards.parquet and the footer of
index.parquet, and refuses files that do not fit each other; rows are read a row group at a time (about 64k rows,
always whole shards) when a shard is first asked for, and the last used shards are kept. Memory is O(shards) + a
bounded number of rows. Threads may share an Index. On a remote store `Index.open` takes one round trip (two where the
footer has more than 1 MiB), and `prefetch` one for the rows of many shards.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import xxhash

from shards.base.errors import ChangedFile, DatasetError, MissingFile, SourceError
from shards.dataset.index.column_checks import check_table
from shards.dataset.index.columns import GopTables
from shards.dataset.index.dataset_file import open_root, read_dataset, read_rules
from shards.dataset.index.files import (
    DATASET_FILE,
    INDEX_FILE,
    REBUILD,
    SHARDS_FILE,
    check_row_counts,
)
from shards.dataset.index.index_file import IndexFile, ask_for_files, check_fit
from shards.dataset.index.schema import KEY_FRAME_COLUMNS
from shards.dataset.index.shard_rows import ShardRows
from shards.dataset.index.shard_table import ShardTable, total_records
from shards.dataset.index.shards_file import read_shards
from shards.dataset.members.rules import MemberSettings
from shards.dataset.parquet.parquet_file import ParquetError, ParquetFile
from shards.media.facts import KeyFrames
from shards.storage.addresses import is_remote
from shards.storage.source import Source

if TYPE_CHECKING:
    import pyarrow as pa

_PREFETCH_BYTES = 1 << 26
_GROUP_ROWS_KEPT = 1 << 17


_DICTIONARIES = ("kind", "codec", "member_ext.list.element")


class Index:
    """The index of one dataset, read lazily. Made by `Index.open`."""

    rows_kept = 1 << 19
    """Most rows that are kept of the shards that were used last."""
    key_frames_kept = 1 << 22
    """Most entries of GOP tables that are kept, 16 bytes each."""

    def __init__(
        self,
        source: Source,
        shard_source: Source,
        dataset: dict[str, Any],
        shards: ShardTable,
        parquet: Any,
        file: IndexFile,
    ) -> None:
        self.source = source
        self.dataset = dataset
        """The content of dataset.json."""
        self.shards = shards
        self.shard_source = shard_source
        """Where the shards lie: beside the index, or at the root that dataset.json names."""
        self.verified: bool = dataset.get("verified", True)
        """Whether every member and shard has its checksum."""
        self.fingerprint: str = dataset["fingerprint"]
        self.rules = read_rules(source, dataset)
        """Which members of a sample are read; `set_members` changes what can be changed."""
        self._parquet, self._file = parquet, file
        # GOP tables are large and stay where they are.
        self._columns = [name for name in parquet.schema_arrow.names if name not in KEY_FRAME_COLUMNS]
        group_rows = [parquet.metadata.row_group(i).num_rows for i in range(parquet.metadata.num_row_groups)]
        self._group_first = np.concatenate([[0], np.cumsum(group_rows, dtype=np.int64)])
        group_of = np.searchsorted(self._group_first, shards.first_row, side="right") - 1
        # an empty last shard starts behind the last group; an index without rows has no group at all
        self._group_of = np.clip(group_of, 0, max(0, len(group_rows) - 1))
        self._groups: OrderedDict[int, pa.Table] = OrderedDict()
        self._rows: OrderedDict[int, ShardRows] = OrderedDict()
        self._rows_held = 0
        self._gops: OrderedDict[int, GopTables] = OrderedDict()
        self._whole: tuple[int, pa.Table] | None = None
        self._lock = threading.Lock()

    @classmethod
    def open(cls, source: Source, roots: Sequence[str] = ()) -> Index:
        """Read the small files and check that they fit each other. Raises DatasetError, or SourceError.

        roots: places beside and below the index that the shards may lie at (shards/storage/roots.py).
        """
        get_dataset, get_shards, get_stat, get_tail = ask_for_files(source)
        dataset = read_dataset(source, get_dataset)
        shard_source = open_root(source, dataset, roots)
        try:
            shards = read_shards(source, dataset, get_shards())
            found, tail = get_stat(), get_tail()
            if tail and not source.stat_many([INDEX_FILE], known=True)[0].may_be(found):
                raise DatasetError(f"{source.url}/{INDEX_FILE}: changed while it was being opened: start again")
            file = IndexFile(source, found.size, tail)
            parquet = ParquetFile(file, _DICTIONARIES)
        except MissingFile as error:
            raise DatasetError(f"{error}; {DATASET_FILE} is there, so a file was lost: {REBUILD}") from error
        except (ParquetError, KeyError, TypeError) as error:
            raise DatasetError(
                f"{source.url}: {SHARDS_FILE} or {INDEX_FILE} is damaged ({error}); {REBUILD}"
            ) from error
        check_row_counts(source, INDEX_FILE, parquet.metadata)
        check_fit(source, dataset, shards, parquet)
        file.forget_tail()
        return cls(source, shard_source, dataset, shards, parquet, file)

    def set_members(self, settings: MemberSettings) -> None:
        """Read the members that a config wants, before the first rows are. Raises ConfigError."""
        self.rules = self.rules.with_settings(settings, self.shard_source.url)

    def rows(self, shard: int) -> ShardRows:
        """The rows of a shard (0..S-1)."""
        with self._lock:
            rows = self._rows.get(shard)
            if rows is None:
                return self._take_in(shard)
            self._rows.move_to_end(shard)
            return rows

    def prefetch(self, shards: Iterable[int]) -> None:
        """Load the rows of several shards; from a remote store the row groups come in one round trip for every 64 MiB.

        For shards that are used next: no more rows are kept than otherwise. Does nothing where the index is local.
        """
        if not is_remote(self.source.url):
            return
        with self._lock:
            for members, spans in self._batches(sorted(set(shards) - self._rows.keys())):
                try:
                    data = self.source.read_many([(INDEX_FILE, start, length) for start, length in spans])
                except (ChangedFile, MissingFile) as error:
                    raise _was_replaced(error) from error
                self._file.pieces += [(start, piece) for (start, _), piece in zip(spans, data, strict=True)]
                try:
                    for shard in members:
                        self._take_in(shard)
                finally:
                    del self._file.pieces[len(self._file.pieces) - len(spans) :]

    def columns(self, shard: int, names: Sequence[str]) -> pa.Table:
        """Some columns of the rows of one shard; keeps nothing."""
        group, start = self._place(shard)
        return self._read_columns(group, names).slice(start, int(self.shards.num_samples[shard]))

    def scan(self, names: Sequence[str]) -> Iterator[tuple[int, int, pa.Table]]:
        """Some columns of all rows, a row group at a time: (first shard, shard behind the last, rows)."""
        stops = np.searchsorted(self.shards.first_row, self._group_first, side="left").tolist()
        for group, (first, stop) in enumerate(pairwise(stops)):
            yield first, stop, self._read_columns(group, names)

    def layout_digest(self) -> str:
        """32 hexadecimal digits over the footer of index.parquet: sizes and extremes of all columns. Tells apart an
        index from another of the same shards, as the fingerprint does not."""
        import pyarrow as pa

        footer = pa.BufferOutputStream()
        self._parquet.metadata.write_metadata_file(footer)
        return xxhash.xxh3_128_hexdigest(footer.getvalue())

    def _read_columns(self, group: int, names: Sequence[str]) -> pa.Table:
        with self._lock:
            return self._read_group(group, list(names))

    def table(self, shard: int) -> pa.Table:
        """All columns of a shard's rows, GOP tables included, as they are in index.parquet.

        For one thread that goes through the shards in order: the last row group is kept.
        """
        group, start = self._place(shard)
        if self._whole is None or self._whole[0] != group:
            self._whole = (group, self._read_group(group, None))
        return self._part(self._whole[1], shard, start)

    @property
    def has_key_frames(self) -> bool:
        """Whether the index has GOP tables."""
        return set(KEY_FRAME_COLUMNS) <= set(self._parquet.schema_arrow.names)

    def gop_table(self, shard: int, row: int) -> KeyFrames | None:
        """The GOP table of one sample, None when the index has none. Those of the last used shards are kept."""
        if not self.has_key_frames:
            return None
        with self._lock:
            tables = self._gops.pop(shard, None)
            if tables is None:
                group, start = self._place(shard)
                part = self._part(self._read_group(group, ["shard", *KEY_FRAME_COLUMNS]), shard, start)
                try:
                    tables = GopTables(part)
                except (ValueError, TypeError, LookupError, AttributeError) as error:
                    raise self._damaged(f"shard {shard}: {error}") from error
            self._gops[shard] = tables
            while len(self._gops) > 1 and sum(map(len, self._gops.values())) > self.key_frames_kept:
                self._gops.popitem(last=False)
        return tables.of(row)

    def _take_in(self, shard: int) -> ShardRows:
        rows = self._rows[shard] = self._load(shard)
        self._rows_held += rows.weight
        while self._rows_held > self.rows_kept and len(self._rows) > 1:
            self._rows_held -= self._rows.popitem(last=False)[1].weight
        return rows

    def _load(self, shard: int) -> ShardRows:
        group, start = self._place(shard)
        table = self._groups.pop(group, None)
        if table is None:
            table = self._read_group(group, self._columns)
        self._groups[group] = table
        while len(self._groups) > 1 and sum(map(_weight, self._groups.values())) > _GROUP_ROWS_KEPT:
            self._groups.popitem(last=False)
        part = self._part(table, shard, start)
        try:
            rows = ShardRows(part, self.verified, self.rules)
        except (ValueError, TypeError, ArithmeticError, LookupError, AttributeError) as error:  # columns of any kind
            raise self._damaged(f"shard {shard}: {error}") from error
        found, expected = total_records(rows.num_records), self.shards.num_elements[shard]
        if found != expected:
            raise self._damaged(f"shard {shard} has {found} records, {SHARDS_FILE} says {expected}")
        return rows

    def _batches(self, shards: Iterable[int]) -> Iterator[tuple[list[int], list[tuple[int, int]]]]:
        """Shards with the (offset, length) of their row groups, as many as are fetched at once."""
        members: list[int] = []
        spans: dict[int, tuple[int, int]] = {}
        for shard in shards:
            group, _ = self._place(shard)
            if group not in spans:
                span = (0, 0) if group in self._groups else self._span(group)
                if members and sum(length for _, length in spans.values()) + span[1] > _PREFETCH_BYTES:
                    yield members, list(spans.values())
                    members, spans = [], {}
                spans[group] = span
            members.append(shard)
        if members:
            yield members, list(spans.values())

    def _span(self, group: int) -> tuple[int, int]:
        """(offset, length) of what `_load` reads of a row group; (0, 0) where that is here, or makes no sense."""
        if len(self._group_first) == 1:
            return 0, 0
        start, stop = self._parquet.span(group, self._columns)
        is_wanted = start < stop and not self._file.has(start, stop - start)
        return (start, stop - start) if is_wanted else (0, 0)

    def _read_group(self, group: int, columns: list[str] | None) -> pa.Table:
        if len(self._group_first) == 1:  # no row group at all
            empty = self._parquet.schema_arrow.empty_table()
            return empty if columns is None else empty.select(columns)
        try:
            table = self._parquet.read_row_group(group, columns=columns)
            check_table(table)
            return table
        except (ChangedFile, MissingFile) as error:
            raise _was_replaced(error) from error
        except ValueError as error:
            raise self._damaged(f"row group {group}: {error}") from error

    def _place(self, shard: int) -> tuple[int, int]:
        """(row group, first row inside it) of a shard."""
        if not 0 <= shard < len(self.shards):
            raise IndexError(f"{self.source.url}: shard {shard} of {len(self.shards)}")
        group = int(self._group_of[shard])
        return group, int(self.shards.first_row[shard] - self._group_first[group])

    def _part(self, table: pa.Table, shard: int, start: int) -> pa.Table:
        part = table.slice(start, int(self.shards.num_samples[shard]))
        if len(part) != self.shards.num_samples[shard]:
            raise self._damaged(
                f"has {len(part)} rows of shard {shard}, {SHARDS_FILE} says {self.shards.num_samples[shard]}"
            )
        numbers = part.column("shard").to_numpy()
        if len(numbers) and (numbers[0] != shard or numbers[-1] != shard):
            raise self._damaged(f"rows {start}.. of a row group should be of shard {shard}, are of {numbers[0]}")
        return part

    def _damaged(self, what: str) -> DatasetError:
        return DatasetError(f"{self.source.url}/{INDEX_FILE}: {what}; {REBUILD}")


def _weight(table: pa.Table) -> int:
    """As how many rows of 256 bytes each a table counts: few rows may hold endless lists."""
    return max(int(table.num_rows), int(table.get_total_buffer_size()) >> 8)


def _was_replaced(error: SourceError) -> DatasetError:
    """For an index that is not the one any more that was opened."""
    if isinstance(error, ChangedFile):
        return DatasetError(str(error))
    return DatasetError(f"{error}; the dataset changed while it was being read: start again")
