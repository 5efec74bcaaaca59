"""index.parquet as it is opened: what is fetched of it first, and whether it fits the files beside it."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import numpy as np

from shards.base.errors import DatasetError
from shards.dataset.index.column_checks import ColumnError, check_types
from shards.dataset.index.dataset_file import MAX_DATASET_BYTES
from shards.dataset.index.files import (
    DATASET_FILE,
    INDEX_FILE,
    REBUILD,
    SHARDS_FILE,
    expect,
)
from shards.dataset.index.schema import KEY_FRAME_COLUMNS, index_schema
from shards.dataset.index.shard_table import ShardTable
from shards.dataset.index.shards_file import MAX_SHARDS_BYTES
from shards.dataset.index.write_index import CONTENT
from shards.storage.addresses import is_remote
from shards.storage.file import SeekableFile
from shards.storage.source import Source, Stat

_TAIL_BYTES = 1 << 20
"""Fetched of index.parquet before its size is known: the footer of up to 50 million rows, or all of a small index."""


class IndexFile(SeekableFile):
    """index.parquet, with pieces of it that were fetched beforehand."""

    def __init__(self, source: Source, num_bytes: int, tail: bytes) -> None:
        super().__init__(num_bytes, f"{source.url}/{INDEX_FILE}")
        self._source, self.num_bytes = source, num_bytes
        self.pieces = [(num_bytes - len(tail), tail)]
        """(offset, bytes)"""

    def forget_tail(self) -> None:
        """The footer was read; a small file was fetched whole and is kept."""
        self.pieces = [(start, data) for start, data in self.pieces if not start]

    def has(self, offset: int, length: int) -> bool:
        """Whether one piece holds all of a range."""
        return any(start <= offset and offset + length <= start + len(data) for start, data in self.pieces)

    def _get(self, offset: int, length: int) -> bytes:
        for start, data in self.pieces:
            if start <= offset and offset + length <= start + len(data):
                return data[offset - start : offset - start + length]
        return self._source.read(INDEX_FILE, offset, length)


def ask_for_files(
    source: Source,
) -> tuple[Callable[[], bytes], Callable[[], bytes], Callable[[], Stat], Callable[[], bytes]]:
    """What gives dataset.json, shards.parquet, and size and tail of index.parquet; a remote store is asked for all
    of it at once."""
    dataset = partial(source.read, DATASET_FILE, 0, MAX_DATASET_BYTES)
    shards = partial(source.read, SHARDS_FILE, 0, MAX_SHARDS_BYTES)
    stat = partial(source.stat, INDEX_FILE)
    if not is_remote(source.url):
        return dataset, shards, stat, bytes
    with ThreadPoolExecutor(4) as pool:
        tail = pool.submit(source.read, INDEX_FILE, -_TAIL_BYTES)
        return pool.submit(dataset).result, pool.submit(shards).result, pool.submit(stat).result, tail.result


def check_fit(source: Source, dataset: dict[str, Any], shards: ShardTable, parquet: Any) -> None:
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
