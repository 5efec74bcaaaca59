"""Read index.parquet as Arrow tables, row group by row group or shard by shard, with the wanted columns only.

Promises: at most one row group (about 64k rows) is held. `Index` gives rows of samples; this gives whole columns.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from shards.base.errors import DatasetError
from shards.cli.verbs.open_dataset import Dataset
from shards.dataset.index.column_checks import check_table
from shards.dataset.index.files import INDEX_FILE
from shards.dataset.parquet.parquet_file import ParquetError, ParquetFile
from shards.storage.file import SourceFile

if TYPE_CHECKING:
    import pyarrow as pa


def group_tables(dataset: Dataset, columns: Sequence[str]) -> Iterator[pa.Table]:
    """The row groups of index.parquet, one after the other. Raises DatasetError, SourceError."""
    parquet = _open(dataset)
    for group in range(parquet.metadata.num_row_groups):
        yield _read(dataset, parquet, group, columns)


def shard_tables(
    dataset: Dataset, columns: Sequence[str], wanted: Collection[int] | None = None
) -> Iterator[tuple[int, pa.Table]]:
    """(number, rows) of every shard, or of the wanted ones, in order. Raises DatasetError, SourceError."""
    parquet = _open(dataset)
    metadata = parquet.metadata
    ends = np.cumsum([metadata.row_group(group).num_rows for group in range(metadata.num_row_groups)], dtype=np.int64)
    shards = dataset.index.shards
    held, first, table = -1, 0, None
    for shard in range(len(shards)):
        if wanted is not None and shard not in wanted:
            continue
        row, count = int(shards.first_row[shard]), int(shards.num_samples[shard])
        if not count:
            # A shard without samples has no rows, and an index without samples has no row group.
            yield shard, parquet.schema_arrow.empty_table().select(list(columns))
            continue
        group = int(np.searchsorted(ends, row, side="right"))
        if group != held:
            table = _read(dataset, parquet, group, columns)
            held, first = group, int(ends[group]) - table.num_rows
        assert table is not None
        yield shard, table.slice(row - first, count)


def damaged(dataset: Dataset, what: str) -> DatasetError:
    """The error for an index.parquet that is not as it should be."""
    return DatasetError(f"{dataset.url}/{INDEX_FILE}: {what}; build or copy the dataset again")


def _open(dataset: Dataset) -> Any:
    try:
        return ParquetFile(SourceFile(dataset.index.source, INDEX_FILE))
    except ParquetError as error:
        raise damaged(dataset, f"damaged ({error})") from error


def _read(dataset: Dataset, parquet: Any, group: int, columns: Sequence[str]) -> pa.Table:
    try:
        table = parquet.read_row_group(group, columns)
        check_table(table)
        return table
    except ValueError as error:
        raise damaged(dataset, f"row group {group} is damaged ({error})") from error
