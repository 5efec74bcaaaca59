"""A reserved shard appears whole or not at all."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
import xxhash

from shards.cache.reservation import Reservation
from shards.cache.shard_cache import ShardCache
from tests.shards.cache.small_cache import DOWNLOAD, files, line, name_of, never, process, put


def test_a_shard_appears_whole_and_under_its_name(tmp_path: Path) -> None:
    cache = ShardCache(tmp_path / "new" / "cache", 10_000)
    identity = name_of(3)
    assert cache.find(identity) is None
    reservation = cache.reserve(identity, 6, never)
    assert isinstance(reservation, Reservation)
    reservation.write(3, b"def")
    reservation.write(0, memoryview(b"abc"))
    assert cache.find(identity) is None and files(tmp_path / "new" / "cache") == {f"{identity}.part": 6}
    assert reservation.checksum() == xxhash.xxh3_128_hexdigest(b"abcdef")
    with pytest.raises(ValueError, match="7 bytes do not fit into 6"):
        reservation.write(5, b"xx")
    shard = reservation.commit()
    assert shard is not None and (shard.size, shard.read(1, 3), shard.read(4, 9)) == (6, b"bcd", b"ef")
    assert files(tmp_path / "new" / "cache") == {identity: 6}
    reservation.abandon()
    assert reservation.commit() is None
    again = ShardCache(tmp_path / "new" / "cache", 10_000).find(identity)
    assert again is not None and again.read(0, 6) == b"abcdef"
    assert cache.reserve(identity, 6, never) == "here"


def test_a_large_file_is_hashed_in_pieces(tmp_path: Path) -> None:
    data = random.Random(1).randbytes((9 << 20) + 17)
    reservation = ShardCache(tmp_path, 1 << 24).reserve("x", len(data), never)
    assert isinstance(reservation, Reservation)
    reservation.write(0, data)
    assert reservation.checksum() == xxhash.xxh3_128_hexdigest(data)


def test_what_is_abandoned_leaves_nothing_and_can_be_begun_again(tmp_path: Path) -> None:
    cache = ShardCache(tmp_path, 10_000)
    first = cache.reserve(name_of(1), 100, never)
    assert isinstance(first, Reservation)
    assert cache.reserve(name_of(1), 100, never) == "elsewhere"
    first.abandon()
    assert files(tmp_path) == {}
    second = cache.reserve(name_of(1), 100, never)
    assert isinstance(second, Reservation)
    first.write(0, b"x" * 100)  # a thread that had not noticed
    first.abandon()
    assert files(tmp_path) == {f"{name_of(1)}.part": 100}
    second.write(0, b"y" * 100)
    shard = second.commit()
    assert shard is not None and shard.read(0, 100) == b"y" * 100


def test_the_part_of_a_killed_process_is_taken_over_and_never_served(tmp_path: Path) -> None:
    cache = ShardCache(tmp_path, 3000)
    with process(DOWNLOAD, tmp_path, name_of(1)) as child:
        assert line(child) == "half"
        assert cache.reserve(name_of(1), 1000, never) == "elsewhere" and cache.find(name_of(1)) is None
        assert not put(cache, name_of(2), bytes(2500))  # the part counts, and it is alive
    assert cache.find(name_of(1)) is None
    part = cache.reserve(name_of(1), 900, never)
    assert isinstance(part, Reservation)
    part.write(0, b"y" * 900)
    shard = part.commit()
    assert shard is not None and shard.read(0, 2000) == b"y" * 900
