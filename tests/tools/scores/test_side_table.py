"""The format of side tables: row groups of whole shards, types, metadata, and the same bytes for the same values."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tools.scores import side_table
from tools.scores.side_table import Row, made_with, write_side_table
from tools.scores.values import ColumnKinds

SIDE_OF = {"dataset": "toy", "fingerprint": "f" * 32}


def shards(*sizes: int) -> list[tuple[str, list[Row]]]:
    return [
        (
            f"{number:06d}.tar",
            [(f"k{row}", {"x": row / 2, "word": f"w{row % 7}"} if row % 3 else {}) for row in range(size)],
        )
        for number, size in enumerate(sizes)
    ]


def schema() -> pa.Schema:
    kinds = ColumnKinds()
    kinds.note({"x": 0.5, "word": "w"}, "k")
    return kinds.schema()


@pytest.mark.parametrize(
    ("sizes", "groups"),
    [
        ((3, 4), [7]),
        ((10, 6, 1), [16, 1]),
        ((10, 8), [10, 8]),
        ((5, 35, 7), [5, 16, 16, 10]),
        ((0, 3), [3]),
        ((16, 16), [16, 16]),
    ],
)
def test_row_groups_hold_whole_shards_where_they_fit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sizes: tuple[int, ...], groups: list[int]
) -> None:
    assert side_table.MAX_GROUP_ROWS == 65_536
    monkeypatch.setattr(side_table, "MAX_GROUP_ROWS", 16)
    rows = shards(*sizes)
    write_side_table(str(tmp_path / "t.parquet"), schema(), rows, SIDE_OF, {"frames": 4})
    file = pq.ParquetFile(tmp_path / "t.parquet")
    assert [file.metadata.row_group(i).num_rows for i in range(file.num_row_groups)] == groups
    assert file.metadata.row_group(0).column(0).compression == "ZSTD"
    table = file.read()
    assert list(zip(table["shard"].to_pylist(), table["key"].to_pylist(), strict=True)) == [
        (name, key) for name, some in rows for key, _ in some
    ]
    assert table["x"].to_pylist()[:2] == [None, 0.5] or sizes[0] == 0
    assert json.loads(table.schema.metadata[b"side_of"]) == SIDE_OF


def test_the_same_values_give_the_same_bytes_and_say_how_they_were_made(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_side_table(str(tmp_path / name), schema(), shards(100, 50), SIDE_OF, {"frames": 4})
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    assert made_with(str(tmp_path / "a")) == ({"frames": 4}, 150)
    pq.write_table(pa.table({"x": [1]}), tmp_path / "c")
    (tmp_path / "d").write_bytes(b"no parquet")
    assert made_with(str(tmp_path / "c"))[0] is None and made_with(str(tmp_path / "d")) == (None, 0)
