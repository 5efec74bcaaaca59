"""Side tables: parquet files whose columns are joined to a dataset by (shard, key); docs/scoring.md has the format.

Promises: rows are in the order of the index; a row group has at most 65,536 rows and holds whole shards, where one
fits; the metadata `side_of` names the dataset and its fingerprint. The same values give the same bytes.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from tools.scores.values import JOIN_COLUMNS, Value

if TYPE_CHECKING:
    import pyarrow as pa

MAX_GROUP_ROWS = 1 << 16
_SIDE_OF, _SCORES = b"side_of", b"scores"

Row = tuple[str, dict[str, Value]]
"""Key and values of a sample."""


def write_side_table(
    path: str, schema: pa.Schema, shards: Iterable[tuple[str, list[Row]]], side_of: Mapping[str, str], made: Any
) -> None:
    """Write a table. shards: name and rows of each; side_of: {"dataset", "fingerprint"}; made: settings of the run."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    metadata = {_SIDE_OF: json.dumps(dict(side_of)), _SCORES: json.dumps(made)}
    schema = schema.with_metadata(metadata)
    names = [name for name in schema.names if name not in JOIN_COLUMNS]
    # Keys are all different: a dictionary of them would only take room.
    with pq.ParquetWriter(path, schema, compression="zstd", use_dictionary=["shard"]) as writer:
        waiting: list[tuple[str, Row]] = []

        def write(rows: list[tuple[str, Row]]) -> None:
            columns: dict[str, list[Any]] = {"shard": [shard for shard, _ in rows], "key": [row[0] for _, row in rows]}
            for name in names:
                columns[name] = [row[1].get(name) for _, row in rows]
            arrays = [pa.array(columns[field.name], field.type) for field in schema]
            writer.write_table(pa.Table.from_arrays(arrays, schema=schema), row_group_size=MAX_GROUP_ROWS)

        for shard, rows in shards:
            if waiting and len(waiting) + len(rows) > MAX_GROUP_ROWS:
                write(waiting)
                waiting = []
            waiting += [(shard, row) for row in rows]
            while len(waiting) > MAX_GROUP_ROWS:  # a shard that does not fit
                write(waiting[:MAX_GROUP_ROWS])
                waiting = waiting[MAX_GROUP_ROWS:]
        if waiting:
            write(waiting)


def made_with(path: str) -> tuple[Any, int]:
    """The settings with which a side table was made, None for a file of another program; and its number of rows."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        metadata = pq.read_metadata(path)
        return json.loads((metadata.metadata or {}).get(_SCORES, b"null")), metadata.num_rows
    except (pa.ArrowException, OSError, ValueError):
        return None, 0
