"""Records of Arrow files in all forms; nested columns, missing columns, and any damage."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.tools.containers.given import FIXTURES
from tools.containers.arrow import footer_records, parquet_look, parquet_records, stream_look, stream_records
from tools.containers.files import Damaged

TABLE = pa.table({"a": [1, 2, 3], "b": [{"bytes": b"x", "path": None}] * 3})
ONE = FIXTURES / "hf/one/data-00000-of-00002.arrow"


def test_streams_and_files_give_the_same_records(tmp_path: Path) -> None:
    with pa.OSFile(str(tmp_path / "s"), "wb") as sink, pa.ipc.new_stream(sink, TABLE.schema) as writer:
        writer.write_table(TABLE, max_chunksize=2)
    with pa.OSFile(str(tmp_path / "f"), "wb") as sink, pa.ipc.new_file(sink, TABLE.schema) as writer:
        writer.write_table(TABLE, max_chunksize=2)
    expected = list(enumerate(TABLE.to_pylist()))
    for name in ("s", "f"):
        assert stream_look(tmp_path / name) == (["a", "b"], 3)
        assert list(stream_records(tmp_path / name, ["a", "b", "none"])) == expected
        (tmp_path / "tail").write_bytes(b"head" + (tmp_path / name).read_bytes() + b"tail")
        size = (tmp_path / name).stat().st_size
        assert list(footer_records(tmp_path / "tail", 4, size)) == expected


def test_parquet_gives_the_columns_that_are_asked_for(tmp_path: Path) -> None:
    pq.write_table(TABLE, tmp_path / "p", row_group_size=2)
    assert parquet_look(tmp_path / "p") == (["a", "b"], 3)
    assert list(parquet_records(tmp_path / "p", ["a"])) == [(0, {"a": 1}), (1, {"a": 2}), (2, {"a": 3})]


@settings(max_examples=40)
@given(st.integers(0, 1 << 20), st.integers(1, 255))
def test_one_changed_byte_gives_records_or_damage(tmp_path_factory: pytest.TempPathFactory, at: int, by: int) -> None:
    for name, source in (("arrow", ONE), ("parquet", FIXTURES / "parquet/train-00000-of-00001.parquet")):
        content = bytearray(source.read_bytes())
        content[at % len(content)] ^= by
        path = tmp_path_factory.getbasetemp() / f"changed.{name}"
        path.write_bytes(bytes(content))
        try:
            if name == "arrow":
                assert len(list(stream_records(path, stream_look(path)[0]))) <= 3
            else:
                assert len(list(parquet_records(path, parquet_look(path)[0]))) <= 3
        except Damaged as flaw:
            assert "fetch it again" in str(flaw)


def test_a_missing_file_is_said() -> None:
    with pytest.raises(Damaged, match="the file is missing"):
        stream_look(Path("none.arrow"))
    with pytest.raises(Damaged, match="the file is missing"):
        parquet_look(Path("none.parquet"))
