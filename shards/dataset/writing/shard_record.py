"""What a finished shard adds to the dataset, kept beside its rows in unfinished/NNNNNN.parquet."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from shards.dataset.index.shard_table import ShardEntry

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True, slots=True)
class ShardRecord:
    """What a finished shard adds to the dataset, kept beside its rows in unfinished/NNNNNN.parquet."""

    entry: ShardEntry
    rows_done: int
    quarantined: list[dict[str, Any]] = field(default_factory=list)
    version: str = ""
    """Of the shard, as a store told it; empty for a local one."""

    def to_metadata(self) -> bytes:
        return json.dumps([list(self.entry), self.rows_done, self.quarantined, self.version]).encode()

    @classmethod
    def from_metadata(cls, data: bytes) -> ShardRecord:
        entry, rows_done, quarantined, *version = json.loads(data)  # 2bab904 wrote no version
        return cls(ShardEntry(*entry), rows_done, quarantined, *version)


def write_part(path: str, table: pa.Table) -> None:
    import pyarrow.parquet as pq

    pq.write_table(table, path, compression="zstd")
