"""Columns of an index that hold something else are named, whoever reads them."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from shards.base.errors import DatasetError
from shards.cli.app import app
from shards.dataset.index.column_checks import ColumnError, check_table, check_types
from shards.dataset.index.index import Index
from shards.dataset.index.schema import index_schema
from shards.dataset.indexing.indexer import index_tars
from shards.dataset.tars.looks import Looks
from shards.read.reader import Reader
from shards.storage.open import open_source
from tests.shards.foreign_tars import video2dataset_files, write_tar

COLUMNS = [*((name, "index.parquet") for name in index_schema(True).names if name != "member_checksum")]
COLUMNS += [
    (name, "shards.parquet") for name in ("shard", "num_samples", "num_elements", "bytes", "checksum", "first_row")
]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dataset with all columns, not to be changed."""
    folder = tmp_path_factory.mktemp("columns") / "d"
    write_tar(folder / "0.tar", video2dataset_files(["a", "b"]))
    index_tars(str(folder), looks=Looks(media=True))
    return folder


@pytest.fixture
def folder(built: Path, tmp_path: Path) -> Path:
    """A copy of it, to be changed."""
    return Path(shutil.copytree(built, tmp_path / "spoilt"))


def spoil(folder: Path, file: str, name: str, change: Callable[[pa.Array], pa.Array]) -> None:
    table = pq.read_table(folder / file)
    at = table.column_names.index(name)
    column = change(table.column(name).combine_chunks())
    pq.write_table(table.set_column(at, name, column), folder / file)


def with_null(column: pa.Array) -> pa.Array:
    return pa.array([None, *column.to_pylist()[1:]], column.type)


def with_null_inside(column: pa.Array) -> pa.Array:
    values = [[None, *entries[1:]] if entries else entries for entries in column.to_pylist()]
    return pa.array(values, column.type)


def of_nulls(column: pa.Array) -> pa.Array:
    return pa.nulls(len(column))


def of_another_type(column: pa.Array) -> pa.Array:
    if pa.types.is_string(column.type):
        return pa.array([7] * len(column))
    is_text = pa.types.is_list(column.type) and pa.types.is_string(column.type.value_type)
    return pa.array([[7] if is_text else ["x"]] * len(column))


def use(folder: Path) -> None:
    index = Index.open(open_source(folder))
    for shard in range(len(index.shards)):
        index.rows(shard)
        if index.has_key_frames:
            index.gop_table(shard, 0)


@pytest.mark.parametrize(("name", "file"), COLUMNS)
@pytest.mark.parametrize("change", [with_null, of_nulls, of_another_type])
def test_a_column_of_something_else_is_named_with_its_file(
    folder: Path, name: str, file: str, change: Callable[[Any], Any]
) -> None:
    spoil(folder, file, name, change)
    with pytest.raises(DatasetError, match=rf"{file}: (row group 0: )?column {name} (should hold|lacks)"):
        use(folder)


@pytest.mark.parametrize("name", ["member_ext", "member_offset", "member_size", "key_frame", "key_frame_time"])
def test_nulls_inside_of_lists_are_found(folder: Path, name: str) -> None:
    spoil(folder, "index.parquet", name, with_null_inside)
    with pytest.raises(DatasetError, match=rf"index.parquet: row group 0: column {name} lacks \d+ values"):
        use(folder)


@pytest.mark.parametrize("verb", ["ls", "verify", "stats", "preview", "bench"])
def test_every_verb_says_it_in_one_line(folder: Path, verb: str) -> None:
    spoil(folder, "index.parquet", "num_records", with_null)
    done = CliRunner().invoke(app, [verb, str(folder)])
    assert done.exit_code == 1 and done.stderr.count("\n") == 1
    assert "index.parquet: row group 0" in done.stderr and "column num_records lacks 1 values" in done.stderr
    with pytest.raises(DatasetError, match="num_records lacks 1 values"):
        Reader("d", str(folder)).fetch([0], [0])


def test_other_widths_and_missing_optional_columns_are_fine() -> None:
    table = pa.table({"a": pa.array([1], pa.int8()), "b": pa.array(["x"]).dictionary_encode()})
    check_types(table.schema, {"a": pa.int64(), "b": pa.string(), "c": pa.string()}, frozenset("c"))
    check_table(table)
    with pytest.raises(ColumnError, match="column c is missing"):
        check_types(table.schema, {"c": pa.string()})
    twice = pa.table([pa.array([1]), pa.array([1])], names=["a", "a"])
    with pytest.raises(ColumnError, match="column a is there twice"):
        check_types(twice.schema, {"a": pa.int64()})


@pytest.mark.parametrize("name", ["duration", "key", "member_size"])
def test_to_index_again_is_the_remedy(folder: Path, name: str) -> None:
    spoil(folder, "index.parquet", name, with_null)
    report = index_tars(str(folder), looks=Looks(media=True))
    assert (report.num_samples, report.num_quarantined) == (2, 0)
    use(folder)
