"""A failed write names the path and what to do, and the conversion goes on after it."""

from __future__ import annotations

import errno
import os
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from shards.base.errors import WriteError
from shards.dataset.writing.conversion import WriteSummary
from shards.dataset.writing.open_target import open_target
from shards.dataset.writing.writer import DatasetWriter
from tests.shards.dataset.writing.small_conversion import FACTS, contents, convert
from tests.shards.fresh import run_fresh


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(disk)], capture_output=True)
    if mounted.returncode:
        pytest.skip("mounting a small disk is not permitted here")
    yield disk
    subprocess.run(["umount", "-l", str(disk)], check=True)


def write_many(out: Path, num: int) -> WriteSummary:
    with DatasetWriter(out, "toy", samples_per_shard=4) as writer:
        for row in range(writer.rows_done, num):
            writer.write(f"k{row}", np.random.default_rng(row).bytes(20_000), "mp4", [{"caption": "c"}], {}, FACTS)
        return writer.close()


def test_a_full_disk_leaves_whole_shards_says_so_and_resumes(small_disk: Path, tmp_path: Path) -> None:
    with pytest.raises(
        WriteError, match=r"disk/toy/.*No space left on device.*free space there.*start the same"
    ) as info:
        write_many(small_disk / "toy", 40)
    assert info.value.errno == errno.ENOSPC
    shards = sorted((small_disk / "toy").glob("*.tar"))
    assert len(shards) == 2
    for shard in shards:
        with tarfile.open(shard) as tar:
            assert len(tar.getmembers()) == 8
    assert not list((small_disk / "toy").rglob("*.writing"))
    subprocess.run(["mount", "-o", "remount,size=4m", str(small_disk)], check=True)
    writer = DatasetWriter(small_disk / "toy", "toy", samples_per_shard=4)
    writer.abort()
    write_many(small_disk / "toy", 40)
    write_many(tmp_path / "whole", 40)
    assert contents(small_disk / "toy") == contents(tmp_path / "whole")


@pytest.mark.parametrize("name", ["000001.tar", "000001.parquet", "index.parquet", "dataset.json"])
def test_a_failure_at_any_file_names_it_and_resumes(
    tmp_path: Path, uninterrupted: dict[str, bytes], monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    replace = os.replace

    def full(source: str, target: str) -> None:
        if target.endswith(name):
            raise OSError(errno.EDQUOT, os.strerror(errno.EDQUOT))
        replace(source, target)

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(WriteError, match=rf"{name}: cannot be written .*quota exceeded.*quota is used up"):
        convert(tmp_path / "toy")
    monkeypatch.undo()
    convert(tmp_path / "toy")
    assert contents(tmp_path / "toy") == uninterrupted


def open_without_permission(folder: Path) -> None:
    if os.getuid() == 0:
        os.setuid(65534)  # permissions do not bind root
    with pytest.raises(WriteError, match=r"closed.*ermission.*make the folder writable"):
        DatasetWriter(folder, "toy")


def test_no_permission_names_the_folder(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    tmp_path.parent.chmod(0o755)
    folder = tmp_path / "closed"
    folder.mkdir(mode=0o555)

    assert run_fresh(open_without_permission, folder) == 0


def test_a_file_in_the_way_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(WriteError, match=r"file: cannot be written .*a file is in the way"):
        DatasetWriter(tmp_path / "file", "toy")
    with pytest.raises(WriteError, match=r"a part of the path is a file"):
        DatasetWriter(tmp_path / "file" / "deeper", "toy")


def test_a_failure_names_the_path_and_leaves_nothing(tmp_path: Path) -> None:
    target = open_target(str(tmp_path))

    with pytest.raises(WriteError, match=r"a\.bin: cannot be written \(No space left.*the disk is full: free space"):  # noqa: SIM117
        with target.produce("a.bin") as path:
            Path(path).write_bytes(b"half")
            raise OSError(28, "No space left on device")
    assert target.list() == [] and target.list_unfinished() == []
    target.release()
