"""Pools: how many threads of each kind a loader has."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from tests.shards.http_store import HttpStore
from tests.shards.one_window import opened


def names() -> list[str]:
    return sorted(thread.name for thread in threading.enumerate() if thread.name.startswith("shards-"))


@pytest.mark.parametrize("far", [False, True], ids=["local", "remote"])
def test_a_store_has_several_threads_that_fetch_and_a_disk_one(folder: Path, far: bool) -> None:
    store = HttpStore()
    store.hold(folder)
    with store.running(), opened(store.url if far else folder, batch_size=4, threads=3) as loader:
        assert names() == []
        next(loader)
        of_loader = [f"shards-loader-rank0_{number}" for number in range(3)]
        fetching = [f"shards-fetch-rank0_{number}" for number in range(4 if far else 1)]
        assert names() == sorted([*fetching, *of_loader, "shards-loader-rank0_alone_0", "shards-watch-rank0"])
    assert names() == []
