"""Writing index.parquet: encodings that keep it below 32 bytes a sample, and row groups that end at shard borders."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import xxhash

from shards.dataset.index.rows import MemberRow, SampleRow
from shards.dataset.index.schema import KEY_FRAME_COLUMNS, index_schema
from shards.media.facts import FACT_NAMES, KeyFrames

if TYPE_CHECKING:
    import pyarrow as pa


ROW_GROUP_ROWS = 65536
"""A row group is closed before the shard that would take it over this many rows, or over fewer in a small index."""
_MIN_GROUP_ROWS = 8192
_ROW_GROUPS = 1024
"""Number of row groups from which on they grow. A group takes 1.2 kB of the footer, which is read at every start, and a
single row costs reading a whole group (8192 rows: 2 ms)."""
CONTENT = "content"
"""Key of the file metadata under which index.parquet keeps the checksum of its row groups."""


def rows_table(shard: int, rows: Sequence[SampleRow], key_frames: bool = False) -> pa.Table:
    """The rows of one shard as an Arrow table. key_frames: with GOP tables."""
    import pyarrow as pa

    facts = [row.facts for row in rows]
    columns: dict[str, list[Any]] = {
        "shard": [shard] * len(rows),
        "key": [row.key for row in rows],
        "num_records": [row.num_records for row in rows],
    }
    for field in MemberRow._fields:
        columns[f"member_{field}"] = [[getattr(member, field) for member in row.members] for row in rows]
    for field in FACT_NAMES:
        columns[field] = [getattr(fact, field) for fact in facts]
    for name, field in zip(KEY_FRAME_COLUMNS, KeyFrames._fields, strict=True) if key_frames else ():
        columns[name] = [getattr(row.key_frames, field) if row.key_frames else [] for row in rows]
    schema = index_schema(key_frames)
    return pa.table({name: pa.array(columns[name], schema.field(name).type) for name in schema.names}, schema=schema)


def renumbered(number: int, table: pa.Table) -> pa.Table:
    """The rows of a shard of another index, with the number that the shard has in this one."""
    import numpy as np
    import pyarrow as pa

    column = pa.array(np.full(table.num_rows, number, np.int32))
    table = table.set_column(table.schema.get_field_index("shard"), "shard", column)
    # The cast removes the dictionaries of rows of another index, and the metadata of rows that were written aside.
    return table.cast(index_schema(KEY_FRAME_COLUMNS[0] in table.column_names))


def write_index(
    path: str,
    tables: Iterable[pa.Table],
    num_rows: int | None = None,
    key_frames: bool = False,
    *,
    max_group_rows: int = ROW_GROUP_ROWS,
    max_group_key_frames: int = 1 << 22,
) -> str:
    """Write index.parquet from one table per shard, in shard order, with one row group in memory.

    num_rows: the number of rows, if it is known: a small index gets smaller row groups. A row group is closed before
    the shard that would take it over max_group_rows rows or max_group_key_frames key frames. Returns the checksum of
    the row groups, which the file holds too.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    group_rows = ROW_GROUP_ROWS if num_rows is None else max(_MIN_GROUP_ROWS, num_rows // _ROW_GROUPS)
    group_rows = min(group_rows, max_group_rows)
    schema = index_schema(key_frames)
    delta = "DELTA_BINARY_PACKED"
    element = ".list.element"
    encodings = {
        "shard": delta,
        "key": "DELTA_BYTE_ARRAY",
        f"member_offset{element}": delta,
        f"member_size{element}": delta,
        f"member_checksum{element}": "PLAIN",  # incompressible by nature
        **dict.fromkeys(("num_records", "width", "height", "num_frames"), delta),
        **dict.fromkeys(("fps", "duration", "start_time"), "BYTE_STREAM_SPLIT"),
    }
    if key_frames:
        frame, time, offset = (f"{name}{element}" for name in KEY_FRAME_COLUMNS)
        encodings |= {frame: delta, time: "BYTE_STREAM_SPLIT", offset: delta}
    with pq.ParquetWriter(
        path,
        schema,
        compression="zstd",
        use_dictionary=[f"member_ext{element}", "kind", "codec"],
        column_encoding=encodings,
        write_statistics=["shard", "num_records", "width", "height", "num_frames", "fps", "duration"],
    ) as writer:
        pending: list[pa.Table] = []
        count = values = 0
        for table in tables:
            more = _num_key_frames(table) if key_frames else 0
            if pending and (count + table.num_rows > group_rows or values + more > max_group_key_frames):
                writer.write_table(pa.concat_tables(pending), row_group_size=count)
                pending, count, values = [], 0, 0
            pending.append(table)
            count, values = count + table.num_rows, values + more
        if count:
            writer.write_table(pa.concat_tables(pending), row_group_size=count)
        with open(path, "rb") as file:  # the row groups are in it by now, the footer is not
            content = hashlib.file_digest(file, xxhash.xxh3_128).hexdigest()
        writer.add_key_value_metadata({CONTENT: content})
    return content


def _num_key_frames(table: pa.Table) -> int:
    """Number of key frames in the rows of a shard."""
    columns = table.column(KEY_FRAME_COLUMNS[0]).chunks
    return sum(int(chunk.offsets[-1].as_py() - chunk.offsets[0].as_py()) for chunk in columns if len(chunk))
