"""The record of a finished shard of an unfinished conversion, kept with its rows in unfinished/NNNNNN.parquet.

Writing it commits the shard: a shard without a record is written again by the next attempt, to the same bytes.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from shards.dataset.index.shard_table import ShardEntry
from shards.storage.file import SourceFile
from shards.storage.source import Source

if TYPE_CHECKING:
    import pyarrow as pa

_KEY = b"part"
"""Key of the record in the metadata of the parquet file, as it was named when the first conversions were written."""


@dataclass(frozen=True, slots=True)
class ShardRecord:
    """The part of a dataset that one finished shard makes up: its entry, and the input rows that it covers."""

    entry: ShardEntry
    rows_done: int
    """Input rows that are covered by this shard and those before it."""
    quarantined: list[dict[str, Any]] = field(default_factory=list)
    """Lines of the quarantine that were written while this shard was open."""
    version: str = ""
    """Version of the shard in its store; empty for a local one."""

    num_quarantined: int = -1
    """Of a record whose lines are left on disk."""

    def light(self) -> ShardRecord:
        """The same without its lines, which memory is not to hold for all shards."""
        return replace(self, quarantined=[], num_quarantined=len(self.quarantined))

    @staticmethod
    def file_name(number: int) -> str:
        """Name of the record of a shard in unfinished/."""
        return f"{number:06d}.parquet"

    def write(self, path: str, rows: pa.Table) -> None:
        """Write the record of a shard with its rows."""
        import pyarrow.parquet as pq

        about = json.dumps([list(self.entry), self.rows_done, self.quarantined, self.version]).encode()
        pq.write_table(rows.replace_schema_metadata({_KEY: about}), path, compression="zstd")

    @classmethod
    def of(cls, rows: pa.Table) -> ShardRecord:
        """The record that was written with rows that `read_rows` returned."""
        entry, rows_done, quarantined, *version = json.loads(rows.schema.metadata[_KEY])  # 2bab904 wrote no version
        return cls(ShardEntry(*entry), rows_done, quarantined, *version)


def read_rows(unfinished: Source, number: int) -> pa.Table:
    """The rows of a finished shard, with its record in their metadata."""
    import pyarrow.parquet as pq

    return pq.ParquetFile(SourceFile(unfinished, ShardRecord.file_name(number))).read(use_threads=False)
