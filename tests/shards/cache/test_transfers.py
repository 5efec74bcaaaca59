"""One shard on its way into the cache: its parts, its checksum, and what is left of one that fails."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import Any

import pytest

from shards.base.errors import DatasetError, SourceError
from shards.cache.cached_source import CachedSource
from tests.shards.cache.settled import Make, parts, settled
from tests.shards.far_folder import WAIT, FarFolder, until


def test_a_large_shard_is_brought_in_parts_by_several_threads(far: FarFolder, cached: Make) -> None:
    source = cached(1, part_bytes=1700, connections=3)
    far.gate.clear()
    source.want(["000000.tar"])
    for _ in range(3):
        assert far.waiting.acquire(timeout=WAIT)
    far.gate.set()
    assert settled(source) == {"000000.tar": "here"}
    assert sorted(far.log) == [
        ("read", "000000.tar", 0, 1666),
        ("read", "000000.tar", 1666, 1667),
        ("read", "000000.tar", 3333, 1667),
    ]
    assert far.most_in_flight == 3
    counts = source.downloads.snapshot()
    assert (counts["parts"], counts["bytes"]) == (3, 5000)


def test_a_shard_whose_checksum_differs_is_brought_once_more(far: FarFolder, cached: Make) -> None:
    source = cached(1)
    spoiled = []

    def spoil(name: str, data: bytes) -> bytes:
        if spoiled:
            return data
        spoiled.append(name)
        return b"?" + data[1:]

    far.spoil = spoil
    source.want(["000000.tar"])
    assert settled(source) == {"000000.tar": "here"} and len(far.downloads()) == 2


def test_a_shard_that_is_damaged_in_the_store_is_not_cached_and_named(
    tmp_path: Path, far: FarFolder, cached: Make, caplog: pytest.LogCaptureFixture
) -> None:
    source = cached(2)
    with open(tmp_path / "far" / "000000.tar", "r+b") as file:
        file.write(b"damage")
    source.want(["000000.tar", "000001.tar"])
    assert settled(source) == {"000000.tar": "failed", "000001.tar": "here"}
    assert far.downloads().count("000000.tar") == 2 and len(os.listdir(tmp_path / "cache")) == 2
    (warning,) = (record.getMessage() for record in caplog.records if record.levelno == logging.WARNING)
    assert warning.startswith("far://store/data/000000.tar: has checksum ") and "shards verify" in warning
    assert source.read("000000.tar", 1, 50) == far.read("000000.tar", 1, 50)


def test_a_way_that_damages_bytes_is_named(far: FarFolder, cached: Make, caplog: pytest.LogCaptureFixture) -> None:
    source = cached(1)
    calls = iter(range(100))
    far.spoil = lambda name, data: bytes([next(calls)]) + data[1:]
    source.want(["000000.tar"])
    assert settled(source) == {"000000.tar": "failed"}
    assert "has other bytes each time it is downloaded" in caplog.text


def test_a_shard_that_was_replaced_by_one_of_another_size_stops_the_run(
    tmp_path: Path, far: FarFolder, cached: Make
) -> None:
    source = cached(2)
    (tmp_path / "far" / "000000.tar").write_bytes(bytes(4000))
    (tmp_path / "far" / "000001.tar").write_bytes(bytes(6000))
    source.want(source.list())
    settled(source)
    for name, size in (("000000.tar", 4000), ("000001.tar", 6000)):
        with pytest.raises(DatasetError, match=rf"{name}: has {size} bytes, the index expects 500\d; the shard was"):
            source.read(name, 0, 10)


def test_without_checksum_a_shard_that_is_replaced_while_it_comes_stops_the_run(far: FarFolder, cached: Make) -> None:
    source = CachedSource(far, cached(1).downloads, {"000000.tar": (5000, "")})
    far.gate.clear()
    source.want(["000000.tar"])
    assert far.waiting.acquire(timeout=WAIT)
    far.versions["000000.tar"] = "ETag=2"
    far.gate.set()
    settled(source)
    with pytest.raises(DatasetError, match=r"was replaced while this run reads it \(ETag=1 before, ETag=2 now\)"):
        source.read("000000.tar", 0, 10)


def test_a_failed_download_is_said_and_leaves_no_part(
    tmp_path: Path, far: FarFolder, cached: Make, caplog: pytest.LogCaptureFixture
) -> None:
    source = cached(2, part_bytes=1100)
    far.broken = {"000000.tar"}
    source.want(["000000.tar", "000001.tar"])
    assert settled(source) == {"000000.tar": "failed", "000001.tar": "here"}
    assert parts(tmp_path) == []
    assert "000000.tar: not cached but read by range (far://store/data/000000.tar: broken)" in caplog.text


def test_a_disk_that_fills_while_a_part_is_written_means_reading_by_range(
    far: FarFolder, cached: Make, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def pwrite(fd: int, data: bytes, offset: int) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "pwrite", pwrite)
    source = cached(2)
    names = source.list()
    source.want(names)
    assert set(settled(source).values()) == {"failed"}
    assert source.read(names[0], 5, 9) == far.read(names[0], 5, 9)
    assert sum("takes no more shards" in message for message in caplog.messages) == 1


def test_what_another_process_gives_up_is_taken_over(far: FarFolder, cached: Make) -> None:
    first, second = cached(1), cached(1)
    far.gate.clear()
    first.want(["000000.tar"])
    assert far.waiting.acquire(timeout=WAIT)
    second.want(["000000.tar"])
    until(lambda: second.states() == {"000000.tar": "elsewhere"})
    first.want([])
    far.gate.set()
    assert settled(second) == {"000000.tar": "here"}


def test_a_process_that_hangs_with_a_part_is_not_waited_for_without_end(
    far: FarFolder, cached: Make, caplog: pytest.LogCaptureFixture
) -> None:
    first, second = cached(1), cached(1, patience=0.1)
    far.gate.clear()
    first.want(["000000.tar"])
    assert far.waiting.acquire(timeout=WAIT)
    second.want(["000000.tar"])
    assert settled(second) == {"000000.tar": "failed"}
    assert "another process has been downloading it for 0 s" in caplog.text


def test_an_error_of_the_folder_is_an_error_of_the_shard(
    far: FarFolder, cached: Make, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    source, real_open = cached(1), os.open

    def refused(path: str, *arguments: Any, **where: Any) -> int:
        if path.endswith("-000000.tar"):
            raise OSError(24, "Too many open files")
        return real_open(path, *arguments, **where)

    monkeypatch.setattr(os, "open", refused)
    source.want(["000000.tar"])
    assert settled(source) == {"000000.tar": "failed"} and "Too many open files" in caplog.text
    assert source.read("000000.tar", 0, 10) == far.read("000000.tar", 0, 10)
    far.broken = {"000000.tar"}
    with pytest.raises(SourceError, match="broken"):
        source.read("000000.tar", 0, 10)
