"""The three files of an index: their names, and the errors for one that is damaged."""

from __future__ import annotations

from typing import Any

from shards.base.errors import DatasetError
from shards.storage.source import Source

FORMAT_VERSION = 1
DATASET_FILE = "dataset.json"
SHARDS_FILE = "shards.parquet"
INDEX_FILE = "index.parquet"
_MAX_ROWS = 1 << 22
"""Most rows of shards.parquet or of one row group of index.parquet: a few bytes of parquet may stand for billions of
equal ones. Their memory is bounded by shards/dataset/parquet/parquet_file.py."""

REBUILD = "build the dataset again, or copy it again from where it is whole"


def check_row_counts(source: Source, file: str, metadata: Any) -> None:
    """Raise DatasetError for a parquet file that claims more rows than are read."""
    rows = [metadata.row_group(i).num_rows for i in range(metadata.num_row_groups)]
    rows += [metadata.num_rows] if file == SHARDS_FILE else []
    wrong = next((count for count in rows if not 0 <= count <= _MAX_ROWS), None)
    if wrong is not None:
        raise DatasetError(f"{source.url}/{file}: claims {wrong} rows, the limit is {_MAX_ROWS}; {REBUILD}")


def expect(source: Source, file: str, what: str, found: object, expected: object) -> None:
    """Raise DatasetError for something in a file of the index that is not as expected."""
    if found != expected:
        raise DatasetError(f"{source.url}/{file}: {what} is {found}, expected {expected}; {REBUILD}")
