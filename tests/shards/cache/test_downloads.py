"""Threads that bring shards: order, parts, checks, other processes, and every way to end. The store is a folder."""

from __future__ import annotations

import gc
import logging
import os
import threading
import time
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from shards.base.errors import DatasetError, SourceError
from shards.cache.cached_source import CachedSource
from shards.cache.downloads import Downloads, divide
from shards.cache.shard_cache import ShardCache
from shards.cache.want_list import State
from tests.shards.far_folder import WAIT, FarFolder, download_threads, download_threads_ended, until, write_shards

Make = Callable[..., CachedSource]


def settled(source: CachedSource) -> dict[str, State]:
    """Wait until nothing is on its way; what became of each."""
    assert source.downloads.wait(WAIT)
    return source.states()


def parts(tmp_path: Path) -> list[str]:
    return [name for name in os.listdir(tmp_path / "cache") if name.endswith(".part")]


def test_a_shard_of_up_to_two_parts_is_one_request() -> None:
    assert divide(64, 32) == [(0, 64)] and divide(0, 32) == [(0, 0)]
    assert divide(65, 32) == [(0, 32), (32, 32), (64, 1)]


def test_shards_come_in_the_order_of_the_list_and_a_new_list_is_a_new_order(far: FarFolder, cached: Make) -> None:
    source = cached(6, connections=1)
    names = source.list()
    far.gate.clear()
    source.want([names[3], names[0], names[1]])
    assert far.waiting.acquire(timeout=WAIT)
    source.want([names[5], names[1], names[3]])  # 3 is on its way and stays, 0 was not begun
    far.gate.set()
    assert settled(source) == {names[5]: "here", names[1]: "here", names[3]: "here"}
    assert far.downloads() == [names[3], names[5], names[1]]


def test_of_two_sources_the_shard_that_is_needed_sooner_comes_first(
    tmp_path: Path, far: FarFolder, cached: Make
) -> None:
    first = cached(6, connections=1)
    other_far = FarFolder(tmp_path / "far", "far://store/other")
    other_far.log = far.log
    second = CachedSource(other_far, first.downloads, write_shards(tmp_path / "far", 6))
    names = first.list()
    first.next_use = dict(zip(names, (0, 20, 40, 60, 80, 100), strict=True)).__getitem__
    second.next_use = dict(zip(names, (10, 30, 1, 1, 1, 1), strict=True)).__getitem__
    far.gate.clear()
    first.want(names[:3])
    assert far.waiting.acquire(timeout=WAIT)
    second.want(names[:2])
    far.gate.set()
    assert set({**settled(first), **settled(second)}.values()) == {"here"}
    assert far.downloads() == [names[0], names[0], names[1], names[1], names[2]]


def test_a_large_shard_is_brought_in_parts_by_several_threads(far: FarFolder, cached: Make) -> None:
    source = cached(1, part_bytes=1100, connections=3)
    far.gate.clear()
    source.want(["000000.tar"])
    for _ in range(3):
        assert far.waiting.acquire(timeout=WAIT)
    far.gate.set()
    assert settled(source) == {"000000.tar": "here"}
    assert sorted(far.log) == [("read", "000000.tar", at, min(1100, 5000 - at)) for at in range(0, 5000, 1100)]
    assert far.most_in_flight == 3
    counts = source.downloads.snapshot()
    assert (counts["parts"], counts["bytes"]) == (5, 5000)


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
    assert "000000.tar: not cached but read by range (SourceError: far://store/data/000000.tar: broken)" in caplog.text


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


def test_without_room_the_rest_of_the_list_waits_for_the_next_one(far: FarFolder, cached: Make) -> None:
    source = cached(6, limit=15_100)
    names = source.list()
    source.want(names)
    assert list(settled(source).values()) == ["here"] * 3 + ["no room"] * 3
    source.want(names[2:])  # the first two may go now
    assert list(settled(source).values()) == ["here"] * 3 + ["no room"]
    assert sorted(far.downloads()) == names[:5] and source.downloads.snapshot()["evictions"] == 2


def test_what_another_process_brings_is_waited_for_and_brought_by_one(
    tmp_path: Path, far: FarFolder, cached: Make
) -> None:
    """Two Downloads with caches of their own on one folder stand to each other as two processes do."""
    sources = [cached(6), cached(6), cached(6)]
    names = sources[0].list()
    far.gate.clear()
    sources[0].want(names)
    for _ in range(4):
        assert far.waiting.acquire(timeout=WAIT)
    for source in sources[1:]:
        source.want(names)
        until(lambda source=source: "elsewhere" in source.states().values())
    far.gate.set()
    for source in sources:
        assert set(settled(source).values()) == {"here"}
    assert sorted(far.downloads()) == names
    assert sum(source.downloads.snapshot()["parts"] for source in sources) == 6


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


def test_a_shard_that_is_not_wanted_any_more_gives_its_room_back(tmp_path: Path, far: FarFolder, cached: Make) -> None:
    source = cached(3, part_bytes=1100, connections=1)
    far.gate.clear()
    source.want(["000000.tar"])
    assert far.waiting.acquire(timeout=WAIT)
    source.want(["000001.tar"])
    far.gate.set()
    assert settled(source) == {"000001.tar": "here"}
    assert far.downloads().count("000000.tar") == 1 and parts(tmp_path) == []


def test_close_while_downloads_hang_does_not_wait_for_them(tmp_path: Path, far: FarFolder, cached: Make) -> None:
    source = cached(6, grace=0.01)
    names = source.list()
    source.want(names[:1])
    assert settled(source) == {names[0]: "here"} and far.waiting.acquire(timeout=WAIT)
    far.gate.clear()
    source.want(names)
    for _ in range(4):
        assert far.waiting.acquire(timeout=WAIT)
    assert len(parts(tmp_path)) == 4
    failures: list[BaseException] = []

    def read() -> None:
        try:
            source.read("000005.tar", 0, 10)
        except ValueError as error:
            failures.append(error)

    reader = threading.Thread(target=read)
    reader.start()
    until(lambda: source.num_waiting)
    source.downloads.close()
    reader.join(WAIT)
    assert not reader.is_alive() and str(failures[0]) == "this source is closed"
    assert parts(tmp_path) == [] and len(download_threads()) == 4
    source.downloads.close()
    far.gate.set()
    assert download_threads_ended() and parts(tmp_path) == [] and len(os.listdir(tmp_path / "cache")) == 2
    with pytest.raises(ValueError, match="this source is closed"):
        source.want(["000000.tar"])


def test_close_in_a_finalizer_leaves_the_end_to_the_threads(tmp_path: Path, far: FarFolder, cached: Make) -> None:
    source = cached(1, part_bytes=1100, connections=2)
    far.gate.clear()
    source.want(["000000.tar"])
    for _ in range(2):
        assert far.waiting.acquire(timeout=WAIT)
    with source.downloads.cache.locked(), source.downloads.changed:  # as the collector may find its thread
        source.downloads.close(wait=False)
    far.gate.set()
    assert download_threads_ended() and parts(tmp_path) == [] and len(far.downloads()) == 2


def test_what_is_dropped_without_close_is_collected_and_its_threads_end(
    tmp_path: Path, far: FarFolder, cached: Make
) -> None:
    class Owner:
        def __init__(self, source: CachedSource) -> None:
            self.source = source
            source.next_use = self.next_use

        def next_use(self, name: str) -> float:
            return float(name[:6])

    known = write_shards(tmp_path / "far", 6)
    owner = Owner(CachedSource(far, Downloads(ShardCache(tmp_path / "cache", 10**6)), known))
    gone = weakref.ref(owner.source)
    far.gate.clear()
    owner.source.want(sorted(known))
    for _ in range(4):
        assert far.waiting.acquire(timeout=WAIT)
    del owner
    gc.collect()
    assert gone() is None
    far.gate.set()
    assert download_threads_ended() and parts(tmp_path) == []


def test_threads_start_with_the_first_want_and_again_after_all_sources_left(
    tmp_path: Path, far: FarFolder, cached: Make
) -> None:
    source = cached(6, connections=2)
    assert download_threads() == []
    source.want(["000000.tar"])
    assert len(download_threads()) == 2
    other = CachedSource(far, source.downloads, write_shards(tmp_path / "far", 6))
    source.close()
    assert download_threads_ended()
    other.want(["000001.tar"])
    assert settled(other) == {"000001.tar": "here"} and len(download_threads()) == 2


def test_nothing_depends_on_the_wall_clock(far: FarFolder, cached: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    hours = iter(range(0, 10**9, 3600))
    monkeypatch.setattr(time, "time", lambda: 10**9 - next(hours))
    first, second = cached(6), cached(6)
    names = first.list()
    first.want(names)
    second.want(names)
    assert set(settled(first).values()) == set(settled(second).values()) == {"here"}
    assert sorted(far.downloads()) == names


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
