"""Threads that bring shards: order, parts, checks, other processes, and every way to end. The store is a folder."""

from __future__ import annotations

import gc
import os
import threading
import time
import weakref
from pathlib import Path

import pytest

from shards.cache.cache_folder import CacheFolder
from shards.cache.cached_source import CachedSource
from shards.cache.downloads import Downloads
from shards.cache.shard_cache import ShardCache
from tests.shards.cache.settled import Make, parts, settled
from tests.shards.far_folder import WAIT, FarFolder, download_threads, download_threads_ended, until, write_shards


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


def test_what_was_begun_is_completed_in_its_turn_when_its_next_use_is_far(far: FarFolder, cached: Make) -> None:
    """A shard that two ranks share: the one that has begun with it needs it again late, the other one waits for it."""
    source = cached(3, part_bytes=1300, connections=1)
    names = source.list()
    distances = dict.fromkeys(names, 0.0)
    source.next_use = distances.__getitem__
    far.gate.clear()
    source.want(names)  # a cold start: one part of each shard
    assert far.waiting.acquire(timeout=WAIT)
    distances.update({names[0]: 1000.0, names[1]: 10.0, names[2]: 20.0})
    source.want([names[1], names[2], names[0]])
    far.gate.set()
    assert set(settled(source).values()) == {"here"}
    came = list(dict.fromkeys(reversed(far.downloads())))
    assert came[::-1] == names, "a shard that was begun waited for those that are used before its next use"


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
    source = cached(1, part_bytes=1700, connections=2)
    far.gate.clear()
    source.want(["000000.tar"])
    for _ in range(2):
        assert far.waiting.acquire(timeout=WAIT)
    with (
        CacheFolder(source.downloads.cache.folder).locked(),
        source.downloads.changed,
    ):  # as the collector may find its thread
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
