"""GOP tables are whole, or the index is damaged; key frames are counted without time marks."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from shards.base.errors import DatasetError
from shards.dataset.index.index import Index
from shards.dataset.index.write_index import rows_table, write_index
from shards.media.facts import TIME_MARK, KeyFrames
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


def test_key_frames_are_counted_without_time_marks(tmp_path: Path) -> None:
    tables = [KeyFrames([0, 12], [0.25, 0.75], [48, 4096]), KeyFrames([], [], [])]
    tables.append(KeyFrames([0, 5, 9], [0.25, 0.5, 0.75], [48, TIME_MARK, TIME_MARK]))
    rows = [sample(number)._replace(key_frames=keys) for number, keys in enumerate(tables)]
    shards = [rows, rows[::-1]]
    source = save(tmp_path, shards)
    write_index(str(tmp_path / "index.parquet"), (rows_table(i, shards[i], True) for i in range(2)), key_frames=True)
    index = Index.open(source)
    counts = [found.num_key_frames.tolist() for found in map(index.gop_tables, range(2)) if found is not None]
    assert counts == [[2, 0, 1], [1, 0, 2]]
    assert [index.gop_table(0, number) for number in range(3)] == tables


def test_an_index_without_gop_tables_has_none(tmp_path: Path) -> None:
    index = Index.open(save(tmp_path, [[sample(0)]]))
    assert index.gop_tables(0) is None and index.gop_table(0, 0) is None
