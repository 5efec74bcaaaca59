"""The requests of one process: many in flight at once, each counted."""

from __future__ import annotations

import threading

from shards.storage.source import CONNECTIONS
from tests.shards.http_store import HttpStore
from tests.shards.storage.conftest import DATA, source_at


def test_many_requests_are_in_flight_at_once_but_not_more_than_allowed(store: HttpStore) -> None:
    source, stat = source_at(store), source_at(store).stat("a.tar")
    gate = threading.Barrier(CONNECTIONS)  # nobody is answered before so many have asked
    store.gate = lambda method, path, range_: gate
    found = source.read_many([("a.tar", i, 2) for i in range(2 * CONNECTIONS)])
    assert found == [DATA[i : i + 2] for i in range(2 * CONNECTIONS)]
    assert source.stat_many(["a.tar"] * CONNECTIONS) == [stat] * CONNECTIONS
    assert store.most_at_once == CONNECTIONS
