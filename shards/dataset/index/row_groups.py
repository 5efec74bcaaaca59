"""Rows of index.parquet, read a row group at a time; the row groups that were used last are kept.

Row groups end at shard borders, so the rows of one shard lie in one row group. Not for several threads at once.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import xxhash

from shards.base.errors import ChangedFile, DatasetError, MissingFile, SourceError
from shards.dataset.index.column_checks import check_table
from shards.dataset.index.files import INDEX_FILE, REBUILD, SHARDS_FILE
from shards.dataset.index.index_file import IndexFile
from shards.dataset.index.schema import KEY_FRAME_COLUMNS
from shards.dataset.index.shard_table import ShardTable
from shards.dataset.parquet.parquet_file import ParquetFile
from shards.storage.source import Source

if TYPE_CHECKING:
    import pyarrow as pa

_PREFETCH_BYTES = 1 << 26
_ROWS_KEPT = 1 << 17

Span = tuple[int, int]
"""(offset, length) in index.parquet."""


class RowGroups:
    """The row groups of one index."""

    def __init__(self, source: Source, shards: ShardTable, parquet: ParquetFile, file: IndexFile) -> None:
        self._source, self._shards, self._parquet, self._file = source, shards, parquet, file
        names = parquet.schema_arrow.names
        self.has_key_frames = set(KEY_FRAME_COLUMNS) <= set(names)
        """True if the index has GOP tables."""
        # GOP tables are large, and read only for the videos that need them.
        self._columns = [name for name in names if name not in KEY_FRAME_COLUMNS]
        group_rows = [parquet.metadata.row_group(i).num_rows for i in range(parquet.metadata.num_row_groups)]
        self._first = np.concatenate([[0], np.cumsum(group_rows, dtype=np.int64)])
        group_of = np.searchsorted(self._first, shards.first_row, side="right") - 1
        # An empty last shard starts behind the last group; an index without rows has no group at all.
        self._group_of = np.clip(group_of, 0, max(0, len(group_rows) - 1))
        self._kept: OrderedDict[int, pa.Table] = OrderedDict()
        self._whole: tuple[int, pa.Table] | None = None

    def rows(self, shard: int) -> pa.Table:
        """All columns but the GOP tables of one shard's rows."""
        group, start = self._place(shard)
        table = self._kept.pop(group, None)
        if table is None:
            table = self._read(group, self._columns)
        self._kept[group] = table
        while len(self._kept) > 1 and sum(map(_weight, self._kept.values())) > _ROWS_KEPT:
            self._kept.popitem(last=False)
        return self._rows_of(table, shard, start)

    def key_frames(self, shard: int) -> pa.Table:
        """The GOP tables of one shard's rows; they are not kept."""
        group, start = self._place(shard)
        return self._rows_of(self._read(group, ["shard", *KEY_FRAME_COLUMNS]), shard, start)

    def whole(self, shard: int) -> pa.Table:
        """All columns of one shard's rows; the last row group is kept, for reading shards in order."""
        group, start = self._place(shard)
        if self._whole is None or self._whole[0] != group:
            self._whole = (group, self._read(group, None))
        return self._rows_of(self._whole[1], shard, start)

    def columns(self, shard: int, names: Sequence[str]) -> pa.Table:
        """Some columns of one shard's rows; they are not kept."""
        group, start = self._place(shard)
        return self._read(group, list(names)).slice(start, int(self._shards.num_samples[shard]))

    def borders(self) -> Iterator[tuple[int, int, int]]:
        """(row group, first shard, shard behind the last) of every row group."""
        stops = np.searchsorted(self._shards.first_row, self._first, side="left").tolist()
        for group, (first, stop) in enumerate(pairwise(stops)):
            yield group, first, stop

    def read(self, group: int, names: Sequence[str]) -> pa.Table:
        """Some columns of all rows of a row group; they are not kept."""
        return self._read(group, list(names))

    def batches(self, shards: Iterable[int]) -> Iterator[tuple[list[int], list[Span]]]:
        """Shards in groups, each with what `rows` will fetch for it: at most _PREFETCH_BYTES, or one row group."""
        batch: list[int] = []
        spans: dict[int, Span] = {}
        for shard in shards:
            group, _ = self._place(shard)
            if group not in spans:
                span = (0, 0) if group in self._kept else self._span(group)
                if batch and sum(length for _, length in spans.values()) + span[1] > _PREFETCH_BYTES:
                    yield batch, list(spans.values())
                    batch, spans = [], {}
                spans[group] = span
            batch.append(shard)
        if batch:
            yield batch, list(spans.values())

    @contextmanager
    def fetched(self, spans: Sequence[Span]) -> Iterator[None]:
        """Fetch bytes of index.parquet in one round trip and hold them meanwhile."""
        try:
            data = self._source.read_many([(INDEX_FILE, start, length) for start, length in spans])
        except (ChangedFile, MissingFile) as error:
            raise _was_replaced(error) from error
        with self._file.holding([(start, piece) for (start, _), piece in zip(spans, data, strict=True)]):
            yield

    def digest(self) -> str:
        """32 hexadecimal digits over the footer, which holds sizes and extremes of all columns."""
        import pyarrow as pa

        footer = pa.BufferOutputStream()
        self._parquet.metadata.write_metadata_file(footer)
        return xxhash.xxh3_128_hexdigest(footer.getvalue())

    def damaged(self, what: str) -> DatasetError:
        """The error for index.parquet that is not as it should be."""
        return DatasetError(f"{self._source.url}/{INDEX_FILE}: {what}; {REBUILD}")

    def _place(self, shard: int) -> tuple[int, int]:
        """(row group, first row inside it) of a shard."""
        if not 0 <= shard < len(self._shards):
            raise IndexError(f"{self._source.url}: shard {shard} of {len(self._shards)}")
        group = int(self._group_of[shard])
        return group, int(self._shards.first_row[shard] - self._first[group])

    def _span(self, group: int) -> Span:
        """The bytes that `rows` fetches of a row group; (0, 0) if they were fetched already, or it is damaged."""
        if len(self._first) == 1:
            return 0, 0
        start, stop = self._parquet.span(group, self._columns)
        is_wanted = start < stop and not self._file.has(start, stop - start)
        return (start, stop - start) if is_wanted else (0, 0)

    def _read(self, group: int, columns: list[str] | None) -> pa.Table:
        if len(self._first) == 1:  # no row group at all
            empty = self._parquet.schema_arrow.empty_table()
            return empty if columns is None else empty.select(columns)
        try:
            table = self._parquet.read_row_group(group, columns=columns)
            check_table(table)
            return table
        except (ChangedFile, MissingFile) as error:
            raise _was_replaced(error) from error
        except ValueError as error:
            raise self.damaged(f"row group {group}: {error}") from error

    def _rows_of(self, table: pa.Table, shard: int, start: int) -> pa.Table:
        """The rows of a shard among those of its row group, after checking that they are its own."""
        expected = int(self._shards.num_samples[shard])
        rows = table.slice(start, expected)
        if len(rows) != expected:
            raise self.damaged(f"has {len(rows)} rows of shard {shard}, {SHARDS_FILE} says {expected}")
        numbers = rows.column("shard").to_numpy()
        if len(numbers) and (numbers[0] != shard or numbers[-1] != shard):
            raise self.damaged(f"rows {start}.. of a row group should be of shard {shard}, are of {numbers[0]}")
        return rows


def _weight(table: pa.Table) -> int:
    """Rows of 256 bytes that take as much memory as a table: few rows may hold endless lists."""
    return max(int(table.num_rows), int(table.get_total_buffer_size()) >> 8)


def _was_replaced(error: SourceError) -> DatasetError:
    """The error for an index that was exchanged while it was open."""
    if isinstance(error, ChangedFile):
        return DatasetError(str(error))
    return DatasetError(f"{error}; the dataset changed while it was being read: start again")
