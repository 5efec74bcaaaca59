"""Which copy belongs to which shard, when a list is cold, and what becomes of those that leave it."""

from __future__ import annotations

import logging
import math
from pathlib import Path

import pytest

from shards.base.errors import DatasetError, SourceError
from shards.cache.reservation import Reservation
from shards.cache.shard_cache import ShardCache
from shards.cache.want_list import WantList
from shards.storage.source import Stat
from tests.shards.far_folder import FarFolder, write_shards


@pytest.fixture
def far(tmp_path: Path) -> FarFolder:
    return FarFolder(tmp_path / "far")


@pytest.fixture
def cache(tmp_path: Path) -> ShardCache:
    return ShardCache(tmp_path / "cache", 10**6)


def put(cache: ShardCache, identity: str, data: bytes) -> None:
    part = cache.reserve(identity, len(data), lambda identity: math.inf)
    assert isinstance(part, Reservation)
    part.write(0, data)
    part.commit()


def make(far: FarFolder, cache: ShardCache, shards: dict[str, tuple[int, str]]) -> WantList:
    return WantList(far, cache, shards, lambda name: float(name[:6]))


def test_a_checksum_in_the_index_says_which_copy_it_is_and_the_store_is_not_asked(
    tmp_path: Path, far: FarFolder, cache: ShardCache
) -> None:
    known = write_shards(tmp_path / "far", 2)
    first = make(far, cache, known)
    assert first.identity("000000.tar") == make(far, cache, known).identity("000000.tar")
    assert first.identity("000000.tar") != first.identity("000001.tar")
    rebuilt = write_shards(tmp_path / "far", 2, seed=1)
    assert make(far, cache, rebuilt).identity("000000.tar") != first.identity("000000.tar")
    elsewhere = FarFolder(tmp_path / "far", "far://store/other")
    assert make(elsewhere, cache, known).identity("000000.tar") != first.identity("000000.tar")
    assert far.log == elsewhere.log == []


def test_without_a_checksum_the_store_says_which_copy_it_is_once(
    tmp_path: Path, far: FarFolder, cache: ShardCache
) -> None:
    known = {name: (size, "") for name, (size, _) in write_shards(tmp_path / "far", 2).items()}
    first = make(far, cache, known)
    assert len({first.identity("000000.tar") for _ in range(3)}) == 1
    assert far.log == [("stat", "000000.tar", 0, 0)]
    far.versions["000000.tar"] = "ETag=2"
    second = make(far, cache, known)
    assert second.identity("000000.tar") != first.identity("000000.tar")
    with pytest.raises(DatasetError, match=r"replaced while this run reads it \(ETag=1 before, ETag=2 now\)"):
        first.check_unchanged("000000.tar")
    second.check_unchanged("000000.tar")
    far.versions["000001.tar"] = ""
    with pytest.raises(SourceError, match=r"000001.tar: is not cached: the index has no checksum .* without --headers"):
        second.identity("000001.tar")
    with pytest.raises(DatasetError, match="has 5000 bytes, the index expects 4999"):
        make(far, cache, {"000000.tar": (4999, "")}).identity("000000.tar")


def test_a_store_that_answers_otherwise_than_before_is_noticed_with_checksums_too(
    tmp_path: Path, far: FarFolder, cache: ShardCache
) -> None:
    list_ = make(far, cache, write_shards(tmp_path / "far", 1))
    assert list_.stat_many(["000000.tar"]) == [Stat(5000, "ETag=1")]
    list_.check_unchanged("000000.tar")
    far.versions["000000.tar"] = "ETag=2"
    with pytest.raises(DatasetError, match="was replaced"):
        list_.check_unchanged("000000.tar")


def test_distances_are_known_for_copies_of_this_source_that_nobody_asked_about_yet(
    tmp_path: Path, far: FarFolder, cache: ShardCache
) -> None:
    known = write_shards(tmp_path / "far", 3)
    identities = [make(far, cache, known).identity(name) for name in known]
    known["000002.tar"] = (known["000002.tar"][0], "")
    list_ = make(far, cache, known)
    assert [list_.distance(identity) for identity in [*identities, "foreign"]] == [0, 1, math.inf, math.inf]
    assert list_.distance(list_.identity("000002.tar")) == 2


def test_a_copy_of_the_wrong_size_is_removed(
    tmp_path: Path, far: FarFolder, cache: ShardCache, caplog: pytest.LogCaptureFixture
) -> None:
    list_ = make(far, cache, write_shards(tmp_path / "far", 1))
    assert list_.find("000000.tar") is None
    put(cache, list_.identity("000000.tar"), far.read("000000.tar"))
    found = list_.find("000000.tar")
    assert found is not None and found.read(0, 9) == far.read("000000.tar", 0, 9)
    with open(cache.path(list_.identity("000000.tar")), "r+b") as file:
        file.truncate(100), caplog.set_level(logging.WARNING)
    assert list_.find("000000.tar") is None and cache.find(list_.identity("000000.tar")) is None
    assert "has 100 bytes, which is not the size of its shard; removed" in caplog.text


def test_a_list_is_cold_until_nothing_of_the_first_one_is_still_to_come(
    tmp_path: Path, far: FarFolder, cache: ShardCache
) -> None:
    known = write_shards(tmp_path / "far", 5)
    a, b, c, d, e = known
    list_ = make(far, cache, known)
    assert list_.is_cold
    list_.replace([(0, a), (1, b), (2, c)])
    list_.wanted[a].state = "here"
    list_.end_cold_start()
    assert list_.is_cold
    list_.wanted[b].state = "failed"
    dropped = list_.replace([(0, b), (1, d)])
    assert [one.name for one in dropped] == [a, c] and all(one.is_dropped for one in dropped)
    assert not list_.is_cold and list_.wanted[b].state == "failed"
    list_.replace([(0, e)])
    assert not list_.is_cold
    list_.replace([])
    list_.replace([(0, a)])
    assert list_.is_cold and list_.wanted[a].is_coming


def test_what_found_no_room_is_tried_again_with_the_next_list(
    tmp_path: Path, far: FarFolder, cache: ShardCache
) -> None:
    known = write_shards(tmp_path / "far", 2)
    a, b = known
    list_ = make(far, cache, known)
    list_.replace([(0, a), (1, b)])
    list_.wanted[a].state, list_.wanted[b].state = "failed", "no room"
    list_.replace([(3, a), (4, b)])
    assert [(one.state, one.distance) for one in list_.wanted.values()] == [("failed", 3), ("queued", 4)]
