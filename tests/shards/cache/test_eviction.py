"""What is evicted first: what is needed last, as an oracle would choose."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shards.cache.shard_cache import ShardCache
from tests.shards.cache.small_cache import files, name_of, never, put


def test_the_file_needed_last_is_evicted_and_none_that_is_needed_sooner(tmp_path: Path) -> None:
    cache = ShardCache(tmp_path, 3000)
    needed = {name_of(1): 5.0, name_of(2): 9.0, name_of(3): 7.0, name_of(4): 6.0, name_of(5): 8.0, name_of(6): math.inf}
    for number in (1, 2, 3):
        assert put(cache, name_of(number), bytes(1000), needed.__getitem__)
    assert put(cache, name_of(4), bytes(1000), needed.__getitem__)
    assert set(files(tmp_path)) == {name_of(1), name_of(3), name_of(4)} and cache.evictions == 1
    # 8 turns away: what is here is all needed before
    assert not put(cache, name_of(5), bytes(1000), needed.__getitem__)
    assert not put(cache, name_of(6), bytes(1000), needed.__getitem__)
    assert not put(cache, name_of(6), bytes(3001), never)
    assert set(files(tmp_path)) == {name_of(1), name_of(3), name_of(4)}


def test_of_files_that_nobody_speaks_for_the_one_opened_longest_ago_goes(tmp_path: Path) -> None:
    cache = ShardCache(tmp_path, 3000)
    for number in (1, 2, 3):
        put(cache, name_of(number), bytes(1000))
    # The clock of the file system gives an order and nothing else: it may stand in the past or in the future.
    for number, time in ((1, 4_000_000_000), (2, 5), (3, 1_000_000)):
        os.utime(tmp_path / name_of(number), (time, time))
    assert put(cache, name_of(4), bytes(500))
    assert name_of(2) not in files(tmp_path)
    opened = cache.find(name_of(3))
    assert opened is not None
    del opened
    (tmp_path / name_of(1)).touch()
    assert put(cache, name_of(5), bytes(1000))


@settings(max_examples=60)
@given(
    accesses=st.lists(st.integers(0, 9), min_size=1, max_size=40),
    sizes=st.lists(st.integers(1, 40), min_size=10, max_size=10),
    limit=st.integers(30, 120),
    lead=st.integers(0, 3),
)
def test_with_the_future_known_it_evicts_as_an_oracle_does(
    tmp_path_factory: pytest.TempPathFactory, accesses: list[int], sizes: list[int], limit: int, lead: int
) -> None:
    """lead: how many accesses ahead of its use a shard is fetched."""
    folder = tmp_path_factory.mktemp("oracle")
    cache = ShardCache(folder, limit)
    inside: dict[int, int] = {}  # of the oracle: shard -> when it was put there
    for now in range(len(accesses) - lead):
        shard = accesses[now + lead]

        def distance(other: int, now: int = now) -> float:
            return next((at - now for at in range(now, len(accesses)) if accesses[at] == other), math.inf)

        def next_use(identity: str, distance: Callable[[int], float] = distance) -> float:
            return distance(next(number for number in range(10) if name_of(number) == identity))

        if shard in inside:
            continue
        victims, room = [], limit - sum(sizes[other] for other in inside)
        for other in sorted(inside, key=lambda other: (-distance(other), inside[other])):
            if room < sizes[shard] and distance(other) >= distance(shard):
                victims.append(other)
                room += sizes[other]
        if room >= sizes[shard]:
            for victim in victims:
                del inside[victim]
            inside[shard] = now
        assert put(cache, name_of(shard), bytes(sizes[shard]), next_use) == (shard in inside)
        if shard in inside:
            os.utime(cache.path(name_of(shard)), ns=(now, now))
        assert files(folder) == {name_of(number): sizes[number] for number in inside}
