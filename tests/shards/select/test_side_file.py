"""A side table is opened with its columns and its dataset, or refused with file, column and remedy."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from shards.base.errors import SideTableError
from shards.select.side_file import SideFile
from tests.shards.hostile_text import HOSTILE
from tests.shards.small_side import write_side


def write(file: Path, columns: dict[str, Any], metadata: dict[str, str] | None = None) -> Path:
    pq.write_table(pa.table(columns).replace_schema_metadata(metadata), file)
    return file


def refused(path: Path, message: str) -> None:
    with pytest.raises(SideTableError, match=message) as caught:
        file = SideFile(str(path))
        for _ in file.groups(["key", "shard"] if file.has_shards else ["key"]):
            pass
    assert str(caught.value).startswith(f"side table {path}: ") and "\n" not in str(caught.value)


def test_columns_have_kinds_and_row_groups_are_read_one_by_one(tmp_path: Path) -> None:
    values = {
        "a": pa.array([1, 2, 3], pa.int8()),
        "b": [0.5, None, 1.0],
        "c": [True, None, False],
        "d": ["x", None, "y"],
        "e": pa.array(["x", "y", "x"]).dictionary_encode(),
        "f": [["x"], [], None],
        "g": pa.nulls(3),
        "h": pa.array([0, 1, 2], pa.timestamp("us")),
        "i": [[1.0], [], []],
    }
    rows = [("0.tar", "a"), ("0.tar", "b"), ("1.tar", "a")]
    file = SideFile(str(write_side(tmp_path / "a.parquet", rows, {"dataset": "toy", "fingerprint": "f"}, 2, **values)))
    lists, texts = "lists of texts", "string"
    kinds = ["number", "number", "truth", texts, texts, lists, "number", "timestamp[us]", "list<element: double>"]
    assert list(file.kinds.values()) == kinds
    assert file.side_of == ("toy", "f") and file.has_shards and file.num_rows == 3
    assert [table.column("a").to_pylist() for table in file.groups(["a"])] == [[1, 2], [3]]


def test_what_is_no_table_is_refused(tmp_path: Path) -> None:
    refused(tmp_path / "gone.parquet", "no such file; relative paths start at the working folder")
    for name, data in (("empty", b""), ("csv", b"shard,key,motion\na,b,0.5\n")):
        (tmp_path / name).write_bytes(data)
        refused(tmp_path / name, "is no parquet file that can be read: .*; write it again")
    (tmp_path / "folder").mkdir()
    refused(tmp_path / "folder", "is a folder; name one parquet file")
    data = write_side(tmp_path / "a", [("s", str(i)) for i in range(99)], motion=[1.0] * 99).read_bytes()
    (tmp_path / "cut").write_bytes(data[: len(data) // 2])
    refused(tmp_path / "cut", "is no parquet file that can be read: .*")
    (tmp_path / "damaged").write_bytes(data[:4] + bytes(60) + data[64:])
    refused(tmp_path / "damaged", "row group 0 cannot be read: .*; write the file again")


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (
            {"motion": [1.0]},
            r"has no column 'key', .*; its columns: motion; a pandas index becomes a column by reset_ind",
        ),
        ({"key": [7010]}, "column 'key' holds int64; write it as texts"),
        ({"key": ["a"], "shard": [0]}, "column 'shard' holds int64; write it as texts"),
    ],
)
def test_the_columns_that_join_are_texts(tmp_path: Path, columns: dict[str, Any], message: str) -> None:
    refused(write(tmp_path / "a.parquet", columns), message)


def test_a_column_that_is_there_twice_or_cannot_be_used_is_told(tmp_path: Path) -> None:
    table = pa.Table.from_arrays([pa.array(["a"]), pa.array([1]), pa.array([2])], names=["key", "n", "n"])
    pq.write_table(table, tmp_path / "twice.parquet")
    refused(tmp_path / "twice.parquet", "column 'n' is there twice; give one of them another name")
    file = SideFile(
        str(write(tmp_path / "a.parquet", {"key": ["a"], "n": [1], "x.y": [2], HOSTILE.replace("\ud800", ""): [3]}))
    )
    with pytest.raises(SideTableError, match=r"has no column 'm' for repeat; it has n .numbers., ") as caught:
        file.check_column("m", ("number",), "repeat")
    assert str(caught.value).isprintable()
    with pytest.raises(SideTableError, match="column 'n' holds numbers; texts takes texts: write it so"):
        file.check_column("n", ("string",), "texts")
    with pytest.raises(
        SideTableError, match=r"column 'x.y' holds values under a name with a dot, which is to be renamed"
    ):
        file.check_column("x.y", ("number",), "repeat")


@pytest.mark.parametrize(
    "said", ["nope{", "[]", '{"dataset": "toy"}', '{"dataset": 1, "fingerprint": "a"}', "9" * 9999]
)
def test_metadata_that_names_no_dataset_is_refused(tmp_path: Path, said: str) -> None:
    file = write(tmp_path / "a.parquet", {"key": ["a"]}, {"side_of": said})
    refused(file, "its metadata 'side_of' should be a json object with dataset and fingerprint, is b'")
