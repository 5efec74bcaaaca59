"""Politeness: how many requests a host gets at once, how far apart, and how long it is left alone when it asks for it.

Promises: a host has at most `per_host` requests under way and `delay` seconds between two beginnings; after 429 or 503
nothing new goes to it for the time of Retry-After (seconds or a date), or for a time that doubles. In memory are only
the hosts that were used last.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime

_HOSTS_KEPT = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class Manners:
    """How servers are asked."""

    jobs: int = 16
    """Requests under way in all."""
    per_host: int = 4
    """Requests under way at one host."""
    delay: float = 0.05
    """Seconds between the beginnings of two requests at one host."""
    attempts: int = 4
    """Requests for a file, where the failure may pass."""
    pause: float = 1.0
    """Seconds before the second attempt; twice as many before each further one."""
    longest_pause: float = 300.0
    """Seconds of Retry-After that are waited for; a server that asks for more is given up for this run."""
    connect_seconds: float = 15.0
    """Seconds until a connection must stand."""
    read_seconds: float = 60.0
    """Seconds between two pieces of an answer."""


@dataclass(slots=True)
class _Host:
    slots: asyncio.Semaphore
    next_begin: float = 0.0
    users: int = 0
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


class Hosts:
    """The hosts that are asked."""

    def __init__(self, manners: Manners) -> None:
        self._manners = manners
        self._hosts: OrderedDict[str, _Host] = OrderedDict()

    @asynccontextmanager
    async def turn(self, name: str) -> AsyncIterator[None]:
        """Wait until a request to the host may begin; it is under way while the block runs."""
        host = self._host(name)
        host.users += 1
        try:
            async with host.slots:
                async with host.lock:  # beginnings follow each other
                    while (wait := host.next_begin - time.monotonic()) > 0:
                        await asyncio.sleep(wait)
                    host.next_begin = time.monotonic() + self._manners.delay
                yield
        finally:
            host.users -= 1

    def leave_alone(self, name: str, seconds: float) -> None:
        """Begin no request at the host for this time."""
        host = self._host(name)
        host.next_begin = max(host.next_begin, time.monotonic() + seconds)

    def _host(self, name: str) -> _Host:
        host = self._hosts.get(name)
        if host is None:
            host = self._hosts[name] = _Host(asyncio.Semaphore(self._manners.per_host))
            if len(self._hosts) > _HOSTS_KEPT:
                self._forget_one()
        self._hosts.move_to_end(name)
        return host

    def _forget_one(self) -> None:
        """Forget the host that was not used for longest, if none is waiting for it and it may be asked again."""
        now = time.monotonic()
        old = next((name for name, host in self._hosts.items() if not host.users and host.next_begin < now), None)
        if old is not None:
            del self._hosts[old]


def retry_after(header: str | None, now: float | None = None) -> float:
    """Seconds that the header Retry-After asks for: a number or a date; 0 where it says nothing that makes sense."""
    text = (header or "").strip()
    if text.isdecimal() and text.isascii() and len(text) < 10:
        return float(text)
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - (time.time() if now is None else now))
    except (ValueError, TypeError, OverflowError):
        return 0.0
