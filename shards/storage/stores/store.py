"""Store: one prefix of a store, asked by one request at a time.

http.py, s3.py and fsspec_store.py implement it. Promises: one call is one request, sent once; the bytes are exactly
those that were asked for, or RequestFailed says why not and whether to send the request again (retries.py does that).
Secrets (the query of a signed URL, a password in it) do not get into reasons.
Gives up: the same care for stores other than S3 and HTTP: there fsspec decides what an error looks like.
Nothing here is loaded for local folders.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, Protocol

from shards.storage.source import Names, Stat


class Waits(NamedTuple):
    """Seconds that a source waits for a store."""

    connect: float = 5.0
    """Time limit for a connection to be made."""
    read: float = 20.0
    """Time limit between two pieces of an answer."""
    pause: float = 0.1
    """Pause before the second attempt, up to twice as long before each later one (a random share of it)."""
    longest: float = 10.0
    """The longest pause between two attempts, without what the store asks for itself."""
    throttled: float = 1.0
    """Replaces `pause` where the store asks for fewer requests."""
    unlikely: float = 10.0
    """Time for retries of a request that will hardly ever succeed: an unknown host, no credentials."""
    warning: float = 5.0
    """Time that requests fail before a warning, and between two warnings of a source."""


WAITS = Waits()
"""For every source that is not given others."""

Write = Callable[[bytes], None]
"""Takes the next bytes of an answer as they come."""
Check = Callable[[int | None, str], None]
"""Takes (size, version) of a file before its bytes are used; raises RequestFailed if another version is wanted."""


class Answer(NamedTuple):
    """Bytes, and what the store said about the whole file with them."""

    data: bytes
    size: int | None
    """Bytes of the whole file; None where the store does not say."""
    version: str


class Store(Protocol):
    """One prefix of a store; each call is one request on the event loop of fsspec. Raises RequestFailed."""

    async def stat(self, name: str) -> Stat:
        """Size and version of a file."""

    async def get(
        self, name: str, offset: int, length: int | None, write: Write | None = None, check: Check | None = None
    ) -> Answer:
        """Bytes as `Source.read` gives them; where the store can, to `write` as they come, and not in the answer."""

    async def list(self, page: str) -> tuple[Names, str]:
        """(names, next page) of one page; "" is the first page, and stands for no next one."""
