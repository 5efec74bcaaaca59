"""One request to a store: S3 by s3.py, HTTP by http.py, and other stores by fsspec.

Promises: one call is one request, tried once; bytes are either exactly those that were asked for or a Failure; what a
client library raises becomes a Failure that says whether to try again, and what to do if that is of no use. Secrets
(the query of a signed URL, a password in it) do not get into reasons.
Gives up: the same care for stores other than S3 and HTTP: there fsspec decides what an error looks like.
remote.py has the retries. Nothing here is loaded for local folders.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, Protocol

from shards.storage.source import Names, Stat


class Waits(NamedTuple):
    """How long a source waits for a store, in seconds."""

    connect: float = 5.0
    """Until a connection stands."""
    read: float = 20.0
    """Between two pieces of an answer."""
    pause: float = 0.1
    """Before the second attempt, and up to twice as long before each later one (a random part of it)."""
    longest: float = 10.0
    """Between two attempts at most, beside what the store asks for."""
    throttled: float = 1.0
    """The same where the store asks for fewer requests."""
    hardly: float = 10.0
    """For which a request is tried again whose reason hardly ever passes: an unknown host, no credentials."""
    warning: float = 5.0
    """That requests fail before a warning, and between two warnings of a source."""


WAITS = Waits()
"""Of every source that is not given others."""


Write = Callable[[bytes], None]
Check = Callable[[int | None, str], None]
"""(size, version) of a file, before its bytes are taken. Raises Failure for another one than is wanted."""


def unchecked(size: int | None, version: str) -> None:
    """Whatever it is."""


class Answer(NamedTuple):
    """Bytes, and what the store said about the whole file with them."""

    data: bytes
    size: int | None
    """Of the whole file; None where the store does not say."""
    version: str


class Store(Protocol):
    """One prefix of a store; each call is one request on the event loop of fsspec."""

    async def stat(self, name: str) -> Stat: ...
    async def get(
        self, name: str, offset: int, length: int | None, write: Write | None = None, check: Check = unchecked
    ) -> Answer:
        """Bytes as `Source.read` gives them; where the store can, to `write` as they come, and not in the answer."""

    async def list(self, page: str) -> tuple[Names, str]:
        """(names, next page) of one page; the first one and the one behind the last are ""."""


# ---------------------------------------------------------------- ranges


# ---------------------------------------------------------------- other stores that fsspec knows
