"""Client: what one process has of a remote source: its connection to the store, its counters and its retries."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from concurrent.futures import Future
from typing import Any, Literal, TypeVar

from shards.base.counters import Counters
from shards.storage.retries import Retries
from shards.storage.source import CONNECTIONS, Stat
from shards.storage.stores.open_store import open_store
from shards.storage.stores.store import Waits

TRAFFIC = ("stat", "list", "range", "part", "bytes", "retries", "seconds_throttled")
"""Counters of a source in each process: requests by kind ("part": a range of a download), every attempt one, and the
bytes, retries and seconds that came of them."""
_T = TypeVar("_T")


class Client:
    """The connection of one process; `store` may only be used in coroutines that `run` runs."""

    def __init__(self, address: str, deadline: float | None, roots: tuple[str, ...], waits: Waits) -> None:
        self.store, self._loop = open_store(address, roots, waits)
        self.traffic = Counters(*TRAFFIC)
        self.said: dict[str, Stat] = {}
        """The store's answer about each file with the last range of it."""
        self.running: set[Future[Any]] = set()
        self._retries = Retries(address, deadline, waits, self.traffic)
        self._slots = asyncio.Semaphore(CONNECTIONS)

    def run(self, work: Coroutine[Any, Any, _T]) -> _T:
        """Wait for work that runs on the event loop; Ctrl-C cancels it."""
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        self.running.add(future)
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise
        finally:
            self.running.discard(future)

    async def request(
        self,
        kind: Literal["stat", "list", "range", "part"],
        url: str,
        ask: Callable[[], Awaitable[_T]],
        num_bytes: int = 0,
    ) -> _T:
        """The answer to a request, retried if need be. url, num_bytes: as `Retries.run`."""

        def counted() -> Awaitable[_T]:
            self.traffic.add(kind)
            return ask()

        if kind == "part":  # the threads of a cache bound these; ranges of the first batch must not stand behind them
            return await self._retries.run(url, counted, num_bytes)
        # Requests that wait for their retry keep their slot: a store that is throttling gets fewer requests.
        async with self._slots:
            return await self._retries.run(url, counted, num_bytes)
