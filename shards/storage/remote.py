"""A URL prefix as a source: requests that are tried again until a deadline, many at once, and counted.

Promises: a request is tried again after an error that may pass, after 0.1 s, then up to twice as long each time (10 s
at most, a random part of it), where a store is throttling after 1 s; the waiting requests keep their place among the 32
in flight, so a store that is throttling is asked less. A request that hangs, or that brings less than 128 KiB a second,
is given up and tried again. After `deadline` seconds a SourceError says how often it was tried and why it failed last.
Missing files and refused access are raised at once. Bytes are those that were asked for, or there is an error.
A client belongs to the process that uses it: a source may be opened before a fork, and counts anew in the child.
Gives up: caching.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Coroutine, Sequence
from functools import partial
from typing import Any

from shards.base.counters import Counters
from shards.base.errors import ChangedFile
from shards.base.printing import logger
from shards.base.redact import shown
from shards.storage import stores
from shards.storage.addresses import checked, split_query
from shards.storage.client import _T, _Client
from shards.storage.request_failed import Failure
from shards.storage.source import Names, Pieces, Range, Stat, Stats, check_name, check_range
from shards.storage.stores import Answer, Waits

_log = logger(__name__)


class RemoteSource:
    """A URL prefix. deadline: seconds for one request; None: what the environment says, or 300. roots: where an http(s)
    server may redirect to beside itself. waits: None: shards.storage.stores.WAITS."""

    def __init__(
        self,
        address: str,
        deadline: float | None = None,
        roots: tuple[str, ...] = (),
        seen: dict[str, Stat] | None = None,
        waits: Waits | None = None,
    ) -> None:
        base, query = split_query(checked(address))
        self.address = base.rstrip("/") + (f"?{query}" if query else "")
        """With credentials: not to be shown."""
        self._deadline, self._roots, self._waits = deadline, roots, waits or stores.WAITS
        self.url = shown(self.address)
        self._clients: dict[int, _Client] = {}
        self._seen: dict[str, Stat] = dict(seen or {})
        """What the store said of each file when it was first read."""

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
        asked = list(dict.fromkeys(ranges))  # elements that are records of one sample want the same bytes
        pieces = client.run(_all([self._read(client, *range_) for range_ in asked]))
        found = dict(zip(asked, pieces, strict=True))
        return [found[range_] for range_ in ranges]

    def fetch(self, name: str, offset: int, length: int, write: Callable[[int, bytes], None]) -> int:
        """A large range, given to `write` (offset in the file, bytes) in order while it comes, so that it need not fit
        into memory; an attempt goes on where the last one stopped. Counted as a part. The number of bytes, fewer only
        where the file ends. `write` runs on the event loop, and must not raise OSError."""
        client = self._client()
        return client.run(self._fetch(client, name, offset, length, write))

    def cancel(self) -> None:
        """Give up every request of this process that is under way: who waits for one gets a CancelledError."""
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

    async def _read(self, client: _Client, name: str, offset: int, length: int | None) -> bytes:
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
        self, client: _Client, name: str, offset: int, length: int, write: Callable[[int, bytes], None]
    ) -> int:
        check_name(name)
        got = 0

        def take(data: bytes) -> None:
            nonlocal got
            write(offset + got, data)
            got += len(data)
            client.traffic.add("bytes", len(data))

        check = partial(self._check, name)

        async def ask() -> None:
            if got < length:
                answer = await client.store.get(name, offset + got, length - got, take, check)
                if answer.data:
                    take(answer.data)

        await client.request("part", self._shown(name), ask, length)
        return got

    def _check(self, name: str, size: int | None, version: str) -> None:
        """Raise Failure for a file that is another one than when it was first read."""
        if size is None:
            return
        now = Stat(size, version)
        before = self._seen.setdefault(name, now)
        if not before.version:
            self._seen[name] = now
        if not now.may_be(before):
            said = [f"{stat.size} bytes, {stat.version or 'no ETag'}" for stat in (before, now)]
            raise Failure("changed", " before, now ".join(said))

    def _shown(self, name: str) -> str:
        return f"{self.url}/{name.replace('?', '%3F').replace('#', '%23')}"

    def _client(self) -> _Client:
        # Without a lock, which could be held just when the process forks: a client that loses has opened nothing yet.
        # Those of the parent are kept, or a child would close their connections.
        client = self._clients.get(os.getpid())
        return client or self._clients.setdefault(os.getpid(), self._make_client())

    def _make_client(self) -> _Client:
        return _Client(self.address, self._deadline, self._roots, self._waits)

    def __getstate__(self) -> dict[str, Any]:
        about = {"address": self.address, "deadline": self._deadline, "roots": self._roots}
        return {**about, "seen": self._seen, "waits": self._waits}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(**state)  # type: ignore[misc]


async def _all(work: Sequence[Coroutine[Any, Any, _T]]) -> list[_T]:
    """The results in order; what goes on when one fails is cancelled."""
    tasks = [asyncio.ensure_future(one) for one in work]
    try:
        return await asyncio.gather(*tasks)
    except BaseException:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        raise
