"""Pools: the threads of a loader, by what they do."""

from __future__ import annotations

from typing import NamedTuple

from shards.loader.setup import Setup
from shards.loader.stages.pool import Pool
from shards.storage.addresses import is_remote

_LOCAL_THREADS, _REMOTE_THREADS = 1, 4
"""Threads that fetch batches. From local disks one reads as fast as several, and pyarrow keeps memory for each thread
that it worked in; a store answers late, so several batches are asked for before the first one is here."""


class Pools(NamedTuple):
    """The threads of a loader."""

    fetching: Pool
    decoding: Pool
    alone: Pool
    """One thread that decodes where several would be of no use."""
    telling: Pool
    """One thread that tells the caches what comes next, so that an interrupt of the consumer leaves no list locked."""

    @classmethod
    def of(cls, setup: Setup) -> Pools:
        """Pools whose threads start with the first work."""
        remote = any(is_remote(feed.reader.source.url) for feed in setup.feeds)
        return cls(
            Pool(_REMOTE_THREADS if remote else _LOCAL_THREADS, f"shards-fetch-rank{setup.rank}"),
            Pool(setup.num_threads, f"shards-loader-rank{setup.rank}"),
            Pool(1, f"shards-loader-rank{setup.rank}_alone"),
            Pool(1, f"shards-ahead-rank{setup.rank}"),
        )
