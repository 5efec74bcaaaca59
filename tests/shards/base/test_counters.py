"""Numbers that threads count up together."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from shards.base.counters import Counters


def test_no_count_of_any_thread_is_lost() -> None:
    counters = Counters("hits", "bytes")
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: counters.add("bytes", number), range(2000)))
    counters.add("hits")
    assert counters.snapshot() == {"hits": 1, "bytes": sum(range(2000))}
    assert counters.get("bytes") == sum(range(2000))


def test_a_snapshot_stays_as_it_was_and_an_unknown_name_is_refused() -> None:
    counters = Counters("hits")
    before = counters.snapshot()
    counters.add("hits", 2)
    assert before == {"hits": 0}
    with pytest.raises(KeyError):
        counters.add("misses")
