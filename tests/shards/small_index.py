"""Small indexes, and a source that notes what is read of one."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from shards.base.errors import DatasetError
from shards.dataset.index.dataset_file import dataset_json
from shards.dataset.index.index import Index
from shards.dataset.index.rows import MemberRow, SampleRow
from shards.dataset.index.shard_table import ShardEntry
from shards.dataset.index.shards_file import write_shards
from shards.dataset.index.write_index import ROW_GROUP_ROWS, rows_table, write_index
from shards.media.facts import MediaFacts
from shards.storage.local import LocalSource
from shards.storage.open import open_source


class WatchedSource(LocalSource):
    """Notes which bytes of index.parquet are read."""

    def __init__(self, folder: Path) -> None:
        super().__init__(str(folder))
        self.path = folder / "index.parquet"
        self.reads: list[tuple[int, int]] = []

    def read(self, name: str, offset: int = 0, length: int | None = None) -> bytes:
        data = super().read(name, offset, length)
        if name == self.path.name:
            self.reads.append((offset, offset + len(data)))
        return data

    def chunks(self) -> list[tuple[int, str]]:
        """(row group, column) of every column chunk of which bytes were read."""
        metadata = pq.ParquetFile(self.path).metadata
        found = []
        for group in range(metadata.num_row_groups):
            for number in range(metadata.num_columns):
                chunk = metadata.row_group(group).column(number)
                start = chunk.dictionary_page_offset or chunk.data_page_offset
                if any(a < start + chunk.total_compressed_size and start < b for a, b in self.reads):
                    found.append((group, chunk.path_in_schema.partition(".")[0]))
        return found

    def groups(self) -> set[int]:
        return {group for group, _ in self.chunks()}


def save(folder: Path, shards: list[list[SampleRow]], group_rows: int = ROW_GROUP_ROWS) -> LocalSource:
    folder.mkdir(parents=True, exist_ok=True)
    entries = [
        ShardEntry(f"{i:06d}.tar", len(rows), sum(row.num_records for row in rows), 10_240 * i, f"{i:032x}")
        for i, rows in enumerate(shards)
    ]
    tables = (rows_table(i, rows) for i, rows in enumerate(shards))
    write_index(str(folder / "index.parquet"), tables, max_group_rows=group_rows)
    write_shards(str(folder / "shards.parquet"), entries)
    (folder / "dataset.json").write_bytes(dataset_json("toy", entries, 3, {"tool": "test"}))
    return LocalSource(str(folder))


def sample(i: int, records: int = 1) -> SampleRow:
    rng = np.random.default_rng(i)
    size = int(rng.integers(50_000, 150_000))
    members = (
        MemberRow("json", 1000 * i + 512, 200, int(rng.integers(2**32))),
        MemberRow("mp4", 1000 * i + 1536, size, i),
    )
    return SampleRow(f"{i:09d}", members, records, MediaFacts("video", "h264", 320, 240, 250 + i % 9, 25.0, 10.0, 0.0))


def bare(i: int, num_records: int = -1) -> SampleRow:
    """A row of an index that was made from headers only."""
    row = sample(i)
    return row._replace(members=tuple(m._replace(checksum=None) for m in row.members), num_records=num_records)


def save_bare(folder: Path, rows: list[SampleRow], **fields: object) -> LocalSource:
    source = save(folder, [rows])
    num_elements = -1 if any(row.num_records < 0 for row in rows) else sum(row.num_records for row in rows)
    entry = ShardEntry("000000.tar", len(rows), num_elements, 0, "")
    write_shards(str(folder / "shards.parquet"), [entry], ["mtime_ns=1"], [7])
    (folder / "dataset.json").write_bytes(dataset_json("toy", [entry], 0, {}, verified=False, **fields))  # type: ignore[arg-type]
    return source


def edit(path: Path, **fields: object) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **fields}))


def refused(folder: Path, message: str) -> None:
    with pytest.raises(DatasetError, match=message):
        Index.open(open_source(folder))
