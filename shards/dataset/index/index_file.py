"""index.parquet as a file, and the check that it fits the files beside it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from shards.base.errors import DatasetError
from shards.dataset.index.column_checks import ColumnError, check_types
from shards.dataset.index.files import (
    DATASET_FILE,
    INDEX_FILE,
    REBUILD,
    expect,
)
from shards.dataset.index.schema import KEY_FRAME_COLUMNS, index_schema
from shards.dataset.index.shard_table import ShardTable
from shards.dataset.index.write_index import CONTENT
from shards.dataset.parquet.parquet_file import ParquetFile
from shards.storage.file import SeekableFile
from shards.storage.source import Source


class IndexFile(SeekableFile):
    """index.parquet, read from pieces that were fetched before or else from its source."""

    def __init__(self, source: Source, num_bytes: int, tail: bytes) -> None:
        super().__init__(num_bytes, f"{source.url}/{INDEX_FILE}")
        self._source, self.num_bytes = source, num_bytes
        self._pieces = [(num_bytes - len(tail), tail)]
        """(offset, bytes)"""

    def forget_tail(self) -> None:
        """Drop the footer, which was read; a small file is kept, as its tail is all of it."""
        self._pieces = [(start, data) for start, data in self._pieces if not start]

    @contextmanager
    def holding(self, pieces: Sequence[tuple[int, bytes]]) -> Iterator[None]:
        """Read from these pieces meanwhile, each given with its offset."""
        self._pieces += pieces
        try:
            yield
        finally:
            del self._pieces[len(self._pieces) - len(pieces) :]

    def has(self, offset: int, length: int) -> bool:
        """True if one piece holds all of a byte range."""
        return any(start <= offset and offset + length <= start + len(data) for start, data in self._pieces)

    def _get(self, offset: int, length: int) -> bytes:
        for start, data in self._pieces:
            if start <= offset and offset + length <= start + len(data):
                return data[offset - start : offset - start + length]
        return self._source.read(INDEX_FILE, offset, length)


def check_fit(source: Source, dataset: dict[str, Any], shards: ShardTable, parquet: ParquetFile) -> None:
    """Raise DatasetError for an index.parquet that does not belong to dataset.json and shards.parquet beside it."""
    # Other tools that write the file anew may leave the checksum out, and older versions of this code had none.
    said, held = dataset.get("index_content"), (parquet.metadata.metadata or {}).get(CONTENT.encode())
    if said is not None and held is not None and held.decode("ascii", "replace") != said:
        raise DatasetError(
            f"{source.url}/{INDEX_FILE}: is of another version than {DATASET_FILE} beside it; the dataset is being "
            "indexed again just now, so start again in a moment, or these are files of two copies: copy them again"
        )
    expect(source, INDEX_FILE, "the number of rows", parquet.metadata.num_rows, dataset["num_samples"])
    has_gops = not set(KEY_FRAME_COLUMNS).isdisjoint(parquet.schema_arrow.names)
    expected = index_schema(has_gops)
    try:
        check_types(parquet.schema_arrow, dict(zip(expected.names, expected.types, strict=True)))
    except ColumnError as error:
        raise DatasetError(f"{source.url}/{INDEX_FILE}: {error}; {REBUILD}") from error
    sizes = [parquet.metadata.row_group(i).num_rows for i in range(parquet.metadata.num_row_groups)]
    ends = np.cumsum(sizes, dtype=np.int64)
    borders = np.append(np.cumsum(shards.num_samples), -1)
    inside = ends[borders[np.searchsorted(borders[:-1], ends)] != ends].tolist()  # np.setdiff1d takes 30 ms to import
    expect(source, INDEX_FILE, "the list of row groups that end inside a shard", inside, [])
