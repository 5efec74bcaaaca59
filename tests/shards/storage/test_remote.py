"""A remote source gives exactly the bytes that were asked for, whatever the store does in between, or says why not."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shards.base.errors import MissingFile
from tests.shards.http_store import HttpStore
from tests.shards.storage.conftest import DATA, source_at


def test_a_large_range_comes_in_order_and_goes_on_where_it_was_cut(store: HttpStore) -> None:
    source = source_at(store)
    store.faults.extend([503, "cut", "short", "cut"])
    pieces: list[tuple[int, bytes]] = []
    assert source.fetch("a.tar", 100, 1000, lambda at, data: pieces.append((at, data))) == 1000
    assert b"".join(data for _, data in pieces) == DATA[100:1100]
    assert [at for at, _ in pieces] == [100 + sum(len(data) for _, data in pieces[:n]) for n in range(len(pieces))]
    assert [range_ for _, _, range_ in store.requests] == [
        *["bytes=100-1099"] * 2,
        *["bytes=600-1099"] * 2,
        "bytes=850-1099",
    ]
    counted = source.traffic.snapshot()
    assert (counted["part"], counted["range"], counted["bytes"]) == (5, 0, 1000)
    assert source.fetch("a.tar", 2000, 500, lambda at, data: None) == 48

    def full(at: int, data: bytes) -> None:
        raise RuntimeError("no room")

    with pytest.raises(RuntimeError, match="no room"):
        source.fetch("a.tar", 0, 10, full)


def test_the_same_range_of_two_elements_is_asked_for_once(store: HttpStore) -> None:
    source = source_at(store)
    ranges = [("a.tar", 3, 5), ("a.tar", 0, 2), ("a.tar", 3, 5)]
    assert source.read_many(ranges) == [DATA[3:8], DATA[:2], DATA[3:8]]
    assert len(store.requests) == 2


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    ranges=st.lists(st.tuples(st.integers(0, 2100), st.integers(0, 300)), max_size=12),
    faults=st.lists(st.sampled_from([500, 503, "cut", "short"]), max_size=12),
)
def test_many_ranges_at_once_are_those_that_were_asked_for(
    store: HttpStore, ranges: list[tuple[int, int]], faults: list[int | str]
) -> None:
    store.faults.clear()
    store.faults.extend(faults)
    source = source_at(store)
    found = source.read_many([("a.tar", offset, length) for offset, length in ranges])
    assert found == [DATA[offset : offset + length] for offset, length in ranges]


def test_the_end_of_a_file_is_read_without_knowing_its_size(store: HttpStore) -> None:
    source = source_at(store)
    assert source.read("a.tar", -10) == DATA[-10:] and source.read("a.tar", -9999) == DATA
    assert source.read("empty", -10) == b"" == source.read("empty") == source.read("empty", 0, 5)
    assert source.read("a.tar", len(DATA)) == source.read("a.tar", 9999, 5) == b""
    assert all(method == "GET" for method, _, _ in store.requests) and len(store.requests) == 7
    with pytest.raises(ValueError, match="a negative offset goes without a length"):
        source.read("a.tar", -10, 5)


def test_a_file_that_was_replaced_has_another_version(store: HttpStore) -> None:
    source = source_at(store)
    before = source.stat("a.tar")
    assert before.size == len(DATA) and before.version.startswith("ETag=")
    store.files["/data/a.tar"] = DATA[::-1]
    after = source.stat("a.tar")
    assert after.size == before.size and after.version != before.version


def test_one_of_many_that_fails_is_named_and_the_rest_is_dropped(store: HttpStore) -> None:
    source = source_at(store)
    with pytest.raises(MissingFile, match=r"/data/nothing: not found"):
        source.read_many([("a.tar", 0, 5), ("nothing", 0, 5), ("a.tar", 5, 5)])
    with pytest.raises(MissingFile, match=r"/data/nothing: not found"):
        source.stat_many(["a.tar", "nothing"])
    assert source.read("a.tar", 0, 5) == DATA[:5]
