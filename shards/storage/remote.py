"""RemoteSource: a URL prefix as a source, with many requests in flight at once.

Promises: bytes are those that were asked for, or there is an error; failed requests are retried until a deadline
(retries.py). All bytes of a file are of one version: a file that was replaced meanwhile is a ChangedFile.
A client belongs to the process that uses it: a source may be opened before a fork, and counts from 0 in the child.
Gives up: caching.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Coroutine, Sequence
from functools import partial
from typing import Any, TypeVar

from shards.base.counters import Counters
from shards.base.errors import ChangedFile
from shards.base.redact import shown
from shards.storage.addresses import checked, split_query
from shards.storage.client import Client
from shards.storage.source import Names, Pieces, Range, Stat, Stats, check_name, check_range
from shards.storage.stores import store as stores
from shards.storage.stores.request_failed import RequestFailed
from shards.storage.stores.store import Answer, Waits

_T = TypeVar("_T")


class RemoteSource:
    """A URL prefix."""

    def __init__(
        self,
        address: str,
        deadline: float | None = None,
        roots: tuple[str, ...] = (),
        seen: dict[str, Stat] | None = None,
        waits: Waits | None = None,
    ) -> None:
        """deadline: seconds for one request; None: what the environment says, or 300. roots: places that an http(s)
        server may redirect to. seen: what the store said of files that were read before. waits: None: WAITS."""
        base, query = split_query(checked(address))
        self.address = base.rstrip("/") + (f"?{query}" if query else "")
        """The prefix with its credentials: not to be shown."""
        self._deadline, self._roots, self._waits = deadline, roots, waits or stores.WAITS
        self.url = shown(self.address)
        self._clients: dict[int, Client] = {}
        self._seen: dict[str, Stat] = dict(seen or {})
        """The store's answer about each file when it was first read."""

    @property
    def traffic(self) -> Counters:
        return self._client().traffic

    def list(self, suffix: str = "") -> Names:
        return self._client().run(self._list(suffix))

    def stat(self, name: str) -> Stat:
        return self.stat_many([name])[0]

    def stat_many(self, names: Sequence[str], known: bool = False) -> Stats:
        for name in names:
            check_name(name)
        client = self._client()
        said = client.said if known else {}
        asked = [name for name in names if name not in said]
        if not asked:
            return [said[name] for name in names]
        stats = client.run(
            _all([client.request("stat", self._shown(name), partial(client.store.stat, name)) for name in asked])
        )
        found = dict(zip(asked, stats, strict=True))
        return [found.get(name) or said[name] for name in names]

    def read(self, name: str, offset: int = 0, length: int | None = None) -> bytes:
        client = self._client()
        return client.run(self._read(client, name, offset, length))

    def read_many(self, ranges: Sequence[Range]) -> Pieces:
        client = self._client()
        asked = list(dict.fromkeys(ranges))  # deduplicated: elements that are records of one sample want the same bytes
        pieces = client.run(_all([self._read(client, *range_) for range_ in asked]))
        found = dict(zip(asked, pieces, strict=True))
        return [found[range_] for range_ in ranges]

    def fetch(self, name: str, offset: int, length: int, write: Callable[[int, bytes], None]) -> int:
        """Give a large range to `write` (offset in the file, bytes) in order as it comes, so that it need not fit into
        memory; a retry goes on where the last attempt stopped. Returns the number of bytes, fewer only where the file
        ends. `write` runs on the event loop; an OSError of its own would be taken for one of the connection."""
        client = self._client()
        return client.run(self._fetch(client, name, offset, length, write))

    def cancel(self) -> None:
        """Cancel every request of this process that is in flight: who waits for one gets a CancelledError."""
        client = self._clients.get(os.getpid())
        for future in list(client.running) if client else ():
            future.cancel()

    async def _list(self, suffix: str) -> Names:
        client, names, page = self._client(), [], ""
        while True:
            found, page = await client.request("list", self.url, partial(client.store.list, page))
            names += [name for name in found if name.endswith(suffix)]
            if not page:
                return sorted(names)

    async def _read(self, client: Client, name: str, offset: int, length: int | None) -> bytes:
        check_name(name)
        check_range(offset, length)
        if length == 0:
            return b""
        num_bytes = length if length is not None else max(0, -offset)
        get = partial(client.store.get, name, offset, length, None, partial(self._check, name))
        answer: Answer = await client.request("range", self._shown(name), get, num_bytes)
        client.traffic.add("bytes", len(answer.data))
        seen = self._seen.get(name)
        if not answer.data and seen is not None and 0 <= offset < seen.size:
            raise ChangedFile(self._shown(name), f"{seen.size} bytes", f"no more than {offset}")
        if answer.size is not None:
            client.said[name] = Stat(answer.size, answer.version)
        return answer.data

    async def _fetch(
        self, client: Client, name: str, offset: int, length: int, write: Callable[[int, bytes], None]
    ) -> int:
        check_name(name)
        got = 0

        def take(data: bytes) -> None:
            nonlocal got
            write(offset + got, data)
            got += len(data)
            client.traffic.add("bytes", len(data))

        def check(size: int | None, version: str) -> None:
            self._check(name, size, version)
            if size is not None:
                client.said[name] = Stat(size, version)

        async def ask() -> None:
            if got < length:
                answer = await client.store.get(name, offset + got, length - got, take, check)
                if answer.data:
                    take(answer.data)

        await client.request("part", self._shown(name), ask, length)
        return got

    def _check(self, name: str, size: int | None, version: str) -> None:
        """Raise RequestFailed for a file that is not the one that was first read under its name."""
        if size is None:
            return
        now = Stat(size, version)
        before = self._seen.setdefault(name, now)
        if not before.version:
            self._seen[name] = now
        if not now.may_be(before):
            said = [f"{stat.size} bytes, {stat.version or 'no ETag'}" for stat in (before, now)]
            raise RequestFailed("changed", " before, now ".join(said))

    def _shown(self, name: str) -> str:
        return f"{self.url}/{name.replace('?', '%3F').replace('#', '%23')}"

    def _client(self) -> Client:
        # Without a lock, which could be held just when the process forks: of two clients that threads make at once, the
        # one that is dropped has opened nothing yet. A child keeps the parent's client, or it would close connections
        # that the parent uses.
        client = self._clients.get(os.getpid())
        return client or self._clients.setdefault(os.getpid(), self._make_client())

    def _make_client(self) -> Client:
        return Client(self.address, self._deadline, self._roots, self._waits)

    def __getstate__(self) -> dict[str, Any]:
        about = {"address": self.address, "deadline": self._deadline, "roots": self._roots}
        return {**about, "seen": self._seen, "waits": self._waits}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(**state)  # type: ignore[misc]


async def _all(work: Sequence[Coroutine[Any, Any, _T]]) -> list[_T]:
    """The results in order; when one fails, the others are cancelled, which asyncio.gather would leave running."""
    tasks = [asyncio.ensure_future(one) for one in work]
    try:
        return await asyncio.gather(*tasks)
    except BaseException:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        raise
