"""GOP tables are whole, or the index is damaged."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from shards.base.errors import DatasetError
from shards.dataset.index.index import Index
from shards.dataset.index.write_index import rows_table
from shards.media.facts import KeyFrames
from tests.shards.small_index import sample, save


@pytest.mark.parametrize("column", ["key_frame", "key_frame_time", "key_frame_offset"])
@pytest.mark.parametrize("values", [[[0, 12, 13], [0]], [[0, None], [0]], [[0], [0, 12]]])
def test_gop_tables_with_gaps_are_damage(tmp_path: Path, column: str, values: list[list[int | None]]) -> None:
    rows = [
        sample(0)._replace(key_frames=KeyFrames([0, 12], [0.25, 0.75], [48, 4096])),
        sample(1)._replace(key_frames=KeyFrames([0], [0.25], [48])),
    ]
    source = save(tmp_path, [rows])
    table = rows_table(0, rows, True)
    number = table.column_names.index(column)
    table = table.set_column(number, table.schema.field(column), pa.array(values, table.schema.field(column).type))
    pq.write_table(table, tmp_path / "index.parquet")
    with pytest.raises(
        DatasetError,
        match=r"index\.parquet: (shard 0: has GOP tables with gaps|row group 0: column key_frame\w* lacks 1 val)",
    ):
        Index.open(source).gop_table(0, 0)
