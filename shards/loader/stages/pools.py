"""Pools: the threads of a loader, by what they do."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from shards.loader.setup import Setup
from shards.loader.stages.pool import Pool
from shards.storage.addresses import is_remote

if TYPE_CHECKING:
    from shards.cache.downloads import Downloads
    from shards.loader.stages.watch import Watch

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


def shut_down(pools: Pools, downloads: Downloads | None, watch: Watch, wait: bool) -> None:
    """Stop the threads of a loader. wait: until they have ended."""
    if any(pool.is_elsewhere for pool in pools):
        return  # in a fork; a lock may be held by a thread that stayed behind
    for pool in pools:
        pool.stop(wait=False)
    if downloads is not None:
        downloads.close(wait)
    if wait:
        for pool in pools:
            pool.stop()
    watch.stop(wait)  # last: as long as threads are waited for, one may hang
