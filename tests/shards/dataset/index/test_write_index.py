"""index.parquet stays small, has bounded row groups and is read by any tool."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from shards.dataset.index.write_index import rows_table, write_index
from shards.media.facts import KeyFrames
from tests.shards.small_index import sample, save


def test_row_groups_hold_a_bounded_number_of_key_frames(tmp_path: Path) -> None:
    path = tmp_path / "index.parquet"
    tables = []
    for number, count in enumerate((10, 0, 15, 5, 1, 40, 40, 3)):
        keys = KeyFrames(list(range(count)), [0.5 * i for i in range(count)], list(range(count)))
        tables.append(rows_table(number, [sample(number)._replace(key_frames=keys)], True))
    write_index(str(path), tables, key_frames=True, max_group_key_frames=30)
    metadata = pq.ParquetFile(path).metadata
    assert [metadata.row_group(i).num_rows for i in range(metadata.num_row_groups)] == [4, 1, 1, 1, 1]


def test_any_parquet_tool_reads_it(tmp_path: Path) -> None:
    save(tmp_path, [[sample(0, 2)], [sample(1), sample(2)]])
    row = pq.read_table(tmp_path / "index.parquet").to_pylist()[0]
    assert row["key"] == "000000000" and row["member_ext"] == ["json", "mp4"] and row["num_records"] == 2
    assert row["member_offset"] == [512, 1536] and row["kind"] == "video" and row["fps"] == 25.0
    shards = pq.read_table(tmp_path / "shards.parquet").to_pylist()
    assert [shard["first_row"] for shard in shards] == [0, 1] and shards[1]["num_elements"] == 2
    meta = json.loads((tmp_path / "dataset.json").read_text())
    assert meta["num_quarantined"] == 3 and meta["provenance"] == {"tool": "test"} and meta["format_version"] == 1


def test_stays_within_32_bytes_a_sample(tmp_path: Path) -> None:
    save(tmp_path, [[sample(1000 * s + i) for i in range(1000)] for s in range(20)])
    assert (tmp_path / "index.parquet").stat().st_size / 20_000 < 32


def test_a_small_index_has_small_row_groups_and_a_large_one_a_bounded_number(tmp_path: Path) -> None:
    tables = [rows_table(0, [sample(i) for i in range(3000)])] * 8
    for num_rows, groups in ((24_000, [6000] * 4), (16_000_000, [15_000, 9_000]), (1 << 40, [24_000])):
        write_index(str(tmp_path / "i.parquet"), tables, num_rows)
        metadata = pq.ParquetFile(tmp_path / "i.parquet").metadata
        assert [metadata.row_group(i).num_rows for i in range(metadata.num_row_groups)] == groups


@pytest.mark.parametrize("random_keys", [False, True])
def test_an_index_of_foreign_tars_stays_within_32_bytes_a_sample(tmp_path: Path, random_keys: bool) -> None:
    rng = np.random.default_rng(0)
    rows = [[sample(1000 * s + i) for i in range(1000)] for s in range(20)]
    if random_keys:
        rows = [[row._replace(key=f"{rng.integers(10**9):09d}") for row in shard] for shard in rows]
    save(tmp_path, rows)
    assert (tmp_path / "index.parquet").stat().st_size / 20_000 < 32
