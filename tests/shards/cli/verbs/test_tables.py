"""Rows of the index, row group by row group and shard by shard."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import Result

from shards.base.errors import DatasetError
from shards.cli.verbs.open_dataset import open_dataset
from shards.cli.verbs.tables import group_tables, shard_tables
from tests.shards.row_groups import regroup
from tests.shards.small_dataset import write_dataset


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """23 samples in shards of 5, row groups of at most two shards."""
    folder = write_dataset(tmp_path / "small", "small", 23)
    regroup(folder, 12)
    return folder


def test_row_groups_hold_every_row_once(folder: Path) -> None:
    tables = list(group_tables(open_dataset(str(folder)), ["key"]))
    assert [table.num_rows for table in tables] == [10, 10, 3]
    assert [key for table in tables for key in table.column("key").to_pylist()] == [f"{i:04d}" for i in range(23)]
    assert tables[0].column_names == ["key"]


def test_shards_get_their_own_rows(folder: Path) -> None:
    dataset = open_dataset(str(folder))
    found = {shard: table.column("key").to_pylist() for shard, table in shard_tables(dataset, ["key"])}
    assert found == {s: [f"{i:04d}" for i in range(5 * s, min(5 * s + 5, 23))] for s in range(5)}
    assert [shard for shard, _ in shard_tables(dataset, ["key"], {1, 4})] == [1, 4]


def test_a_damaged_row_group_is_named(folder: Path) -> None:
    data = bytearray((folder / "index.parquet").read_bytes())
    data[8 : len(data) // 3] = bytes(len(data) // 3 - 8)
    (folder / "index.parquet").write_bytes(data)
    dataset = open_dataset(str(folder))
    with pytest.raises(DatasetError, match=r"index\.parquet: row group 0 is damaged"):
        list(group_tables(dataset, ["key", "member_size", "codec"]))


@pytest.mark.parametrize("verb", ["ls", "stats"])
@pytest.mark.parametrize("sizes", [[[]], [[1, 2, 3]]])
def test_member_columns_that_do_not_fit_each_other_are_damage(
    folder: Path, run: Callable[..., Result], verb: str, sizes: list[list[int]]
) -> None:
    table = pq.read_table(folder / "index.parquet")
    number = table.schema.get_field_index("member_size")
    kept = table.column(number).to_pylist()[1:]
    wrong = pa.array(sizes + kept, table.schema.field(number).type)
    pq.write_table(table.set_column(number, table.schema.field(number), wrong), folder / "index.parquet")
    regroup(folder, 12)
    result = run(verb, folder)
    assert result.exit_code == 1
    assert result.stderr.startswith(f"error: {folder}/index.parquet: ")
    assert "has member columns of different lengths; build or copy the dataset again" in result.stderr
