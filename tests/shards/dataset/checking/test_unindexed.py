"""`verify` names tars that lie beside the shards and are not in the index, as `index` would."""

from __future__ import annotations

import gzip
import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from shards.base.errors import SourceError
from shards.dataset.checking.unindexed import unindexed_tars
from shards.dataset.index.index import Index
from shards.dataset.indexing.indexer import index_tars
from shards.storage.open import open_source
from tests.shards.foreign_tars import img2dataset_files, write_tar
from tests.shards.http_store import HttpStore


@pytest.fixture
def tars(tmp_path: Path) -> Path:
    folder = tmp_path / "cc"
    for shard in range(3):
        write_tar(folder / f"{shard:05d}.tar", img2dataset_files([f"{shard}{key}" for key in "ab"]))
    return folder


def named(place: Path | str) -> dict[str, str]:
    return {problem.shard: problem.found for problem in unindexed_tars(Index.open(open_source(place)))}


def test_a_tar_that_came_later_or_was_left_out_is_named(tars: Path) -> None:
    (tars / "00001.tar").write_bytes((tars / "00001.tar").read_bytes()[:2000])
    index_tars(str(tars))
    write_tar(tars / "00003.tar", img2dataset_files(["x"]))
    found = named(tars)
    assert found.keys() == {"00001.tar", "00003.tar"}
    assert "cut off" in found["00001.tar"] and "it is new, or was left behind" in found["00003.tar"]


def test_what_a_pattern_does_not_name_is_not_missed(tars: Path, tmp_path: Path) -> None:
    for number, pattern in enumerate(("{00000..00001}.tar", "0000[01].tar", "00000.tar")):
        index_tars(str(tars / pattern), str(tmp_path / f"out{number}"))
        assert named(tmp_path / f"out{number}") == {}
    index_tars(str(tars / "{00002..00004}.tar"), str(tmp_path / "missing"))
    assert named(tmp_path / "missing").keys() == {"00003.tar", "00004.tar"}


def test_a_tar_beside_those_of_our_own_is_named(tmp_path: Path, build_dataset: Callable[..., str]) -> None:
    folder = Path(build_dataset(tmp_path / "toy"))
    assert named(folder) == {}
    write_tar(folder / "more.tar", img2dataset_files(["x"]))
    assert named(folder).keys() == {"more.tar"}


def test_what_is_named_as_a_tar_and_is_no_file_is_left_out_and_hangs_nobody(tars: Path) -> None:
    (tars / "link.tar").symlink_to(tars / "nowhere")
    (tars / "folder.tar").mkdir()
    os.mkfifo(tars / "pipe.tar")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tars / "socket.tar"))
    (tars / "good.tar").symlink_to(tars / "00000.tar")
    report = index_tars(str(tars))
    assert report.num_shards == 4 and report.damaged.keys() == {"link.tar", "folder.tar", "pipe.tar", "socket.tar"}
    assert "is a link to" in report.damaged["link.tar"] and "is a folder" in report.damaged["folder.tar"]
    assert "is a pipe" in report.damaged["pipe.tar"]
    assert named(tars).keys() == report.damaged.keys()
    for name in report.damaged:
        with pytest.raises(SourceError):
            open_source(tars).stat(name)


def test_a_whole_folder_holds_tars_in_capitals_and_compressed_ones_are_named(tars: Path) -> None:
    (tars / "00001.tar").rename(tars / "00001.TAR")
    for name in ("00002.tar", "00007.tar", "00008.tar"):
        (tars / f"{name}.gz").write_bytes(gzip.compress((tars / "00000.tar").read_bytes()))
    (tars / "00008.tar.gz").rename(tars / "00008.tgz")
    (tars / "00000.tar.idx").write_bytes(b"of another tool")
    report = index_tars(str(tars))
    assert report.num_shards == 3 and report.num_samples == 6
    # 00002.tar.gz was unpacked.
    assert report.damaged.keys() == {"00007.tar.gz", "00008.tgz"} == named(tars).keys()
    assert all("gzip compressed" in reason for reason in report.damaged.values())
    write_tar(tars / "NEW.TAR", img2dataset_files(["x"]))
    assert "it is new" in named(tars)["NEW.TAR"]


def test_a_name_that_cannot_stand_in_an_index_is_named_once(tars: Path) -> None:
    os.rename(tars / "00001.tar", tars / "a\\b.tar")
    index_tars(str(tars))
    assert len(named(tars)) == 1


def test_the_command_says_so_and_exits_with_1(tars: Path) -> None:
    index_tars(str(tars))
    write_tar(tars / "00003.tar", img2dataset_files(["x"]))
    command = [sys.executable, "-m", "shards", "verify", str(tars), "--json", "--jobs", "1"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 1 and "00003.tar: folder: expected every tar in the index" in done.stderr
    assert [problem["shard"] for problem in json.loads(done.stdout)["problems"]] == ["00003.tar"]


def test_a_server_that_lists_nothing_leaves_it_at_what_the_index_says(tars: Path, tmp_path: Path) -> None:
    with HttpStore().running() as store:
        store.files |= {f"/far/{name}": (tars / name).read_bytes() for name in os.listdir(tars)}
        index_tars(f"{store.url}/far/{{00000..00003}}.tar", str(tmp_path / "index"))
        found = named(tmp_path / "index")
    assert found.keys() == {"00003.tar"} and "not found" in found["00003.tar"]
