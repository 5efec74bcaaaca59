"""Side tables of looks: their content, from a store too, and for an index without checksums."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from shards.base.engines import threads
from shards.storage.stores.filesystem import open_filesystem
from tests.servers.s3 import S3Server
from tests.tools.duplicates.conftest import Frames, video, write
from tools.duplicates.look import Thumbs
from tools.duplicates.side_table import Place, file_name, make_side_table, open_reader, schema


def made(address: str | Path, folder: Path) -> Path:
    place = Place(None, str(address))
    folder.mkdir(exist_ok=True)
    return make_side_table(place, open_reader(place), folder, threads(2), None)


def test_rows_are_those_of_the_dataset_in_its_order(toy: Path, tmp_path: Path) -> None:
    path = made(toy, tmp_path)
    table = pq.read_table(path)
    assert table.schema.equals(schema())
    rows = table.to_pylist()
    assert [row["key"] for row in rows][:6] == ["c1", "c2", "c3", "c4", "c5", "encoded"]
    assert [row["shard"] for row in rows][2:4] == ["000000.tar", "000001.tar"]
    stages = {row["key"]: row["stage"] for row in rows if row["stage"]}
    assert stages == {"black": "flat", "broken": "decode"}
    assert rows[0]["pixels"] == 128 * 96
    assert len(rows[0]["thumbs"]) == 7 * Thumbs.FRAME_BYTES
    assert rows[0]["checksum"] is not None
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.long
def test_tables_of_a_store_are_those_of_the_folder(
    toy: Path, tmp_path: Path, s3_server: S3Server, s3_login: Callable[[str, str], None], clips: dict[int, Frames]
) -> None:
    s3_login(s3_server.key, s3_server.secret)
    folder = write(tmp_path / "small", {"x": video(clips[1]), "y": video(clips[2])})
    filesystem, root = open_filesystem("s3://looks/small")
    filesystem.mkdir("looks")
    filesystem.put(str(folder), root, recursive=True)
    here, there = made(folder, tmp_path / "here"), made("s3://looks/small", tmp_path / "there")
    assert pq.read_table(here).equals(pq.read_table(there))


def test_names_of_files_are_harmless() -> None:
    assert file_name("../a b/ü") == "___a_b__"
    assert file_name(None) == "dataset"
