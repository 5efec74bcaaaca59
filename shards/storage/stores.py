"""One request to a store: S3 by s3.py, HTTP by http.py, and other stores by fsspec.

Promises: one call is one request, tried once; bytes are either exactly those that were asked for or a Failure; what a
client library raises becomes a Failure that says whether to try again, and what to do if that is of no use. Secrets
(the query of a signed URL, a password in it) do not get into reasons.
Gives up: the same care for stores other than S3 and HTTP: there fsspec decides what an error looks like.
remote.py has the retries. Nothing here is loaded for local folders.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Callable, Mapping
from typing import Any, Literal, NamedTuple, Protocol

from shards.base.errors import PrintableError, SourceError
from shards.base.redact import scrub, shown
from shards.storage.addresses import checked, scheme_of
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

_NO_SUCH_HOST = {socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME)}
_PIECE = 1 << 20
_VERSION_FIELDS = (
    "ETag",
    "etag",
    "md5Hash",
    "LastModified",
    "Last-Modified",
    "last_modified",
    "mtime",
    "updated",
    "created",
)


class Failure(PrintableError):
    """A request that gave nothing."""

    def __init__(
        self,
        kind: Literal["missing", "denied", "refused", "changed", "again", "throttled"],
        reason: str,
        remedy: str = "",
        pause: float = 0.0,
        hardly_passes: bool = False,
    ) -> None:
        super().__init__(reason)
        self.kind = kind
        """again: may pass; throttled: passes if the store is asked less; the others do not pass by themselves."""
        self.reason, self.remedy = scrub(reason), remedy
        self.pause = pause
        """Seconds that the store wants to be left alone."""
        self.hardly_passes = hardly_passes
        """Of "again": worth trying for a short time only (Waits.hardly)."""


class NoSize(Failure):
    def __init__(self) -> None:
        what = "the server does not say how large it is"
        super().__init__("refused", what, "ranges cannot be read: use another server")


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


def open_filesystem(address: str, **options: Any) -> tuple[Any, str]:
    """The fsspec file system of an address and the path inside it; a client of this process, shared with nobody."""
    import fsspec

    address = checked(address)
    scheme = scheme_of(address)
    try:
        # Not fsspec's own way from a URL, which reads "::" inside a name as a chain of file systems.
        kind = fsspec.get_filesystem_class(scheme)
        options = {"use_listings_cache": False, **kind._get_kwargs_from_urls(address), **options}
        files = kind(skip_instance_cache=True, **options)
        prefix: str = kind._strip_protocol(address)
    except ImportError as error:
        raise SourceError(f"{shown(address)}: {scheme}:// needs a package that is not installed ({error})") from error
    except ValueError as error:
        reason = scrub(str(error), address)
        raise SourceError(f"{shown(address)}: not an address that can be opened ({reason})") from error
    return files, prefix.rstrip("/")


# ---------------------------------------------------------------- ranges


def range_header(offset: int, length: int | None) -> str | None:
    if length is None:
        return f"bytes={offset or ''}{'' if offset < 0 else '-'}" if offset else None
    return f"bytes={offset}-{offset + length - 1}"


def expected_body(
    offset: int, length: int | None, content_range: str | None, size: int | None
) -> tuple[int, int | None]:
    """(bytes that the body must have, -1: unknown; size of the file) of an answer. Raises Failure.

    content_range: the header, None in an answer that is the whole file. size: the header Content-Length.
    """
    if content_range is None:
        asked_for_all = length is None and (offset == 0 or (size is not None and -offset >= size))
        if not asked_for_all and (offset or size is None or length is None or size > length):
            raise Failure("refused", "the server ignores byte ranges", "use one that serves them")
        return -1 if size is None else size, size
    found = re.fullmatch(r"bytes (\d+)-(\d+)/(\d+|\*)", content_range.strip())
    if found is None:
        raise Failure("refused", f"the server answers a range with {content_range[:60]!r}", "use another server")
    first, last = int(found[1]), int(found[2])
    total = None if found[3] == "*" else int(found[3])
    expected = offset if offset >= 0 else first if total is None else max(0, total + offset)
    if first != expected or last < first or (length is not None and last >= offset + length):
        raise Failure(
            "refused", f"the server answers with bytes {first} to {last}, not from {expected} on", "use another server"
        )
    end = last + 1 if total is None else total if length is None else min(total, offset + length)
    if last + 1 < end:
        raise Failure("again", f"the server gives bytes {first} to {last} only")
    return last + 1 - first, total


async def body_of(body: Any, num_bytes: int, write: Write | None) -> bytes:
    """What `body.read` gives, which should be so many bytes; -1: nobody knows."""
    data, got = b"", 0
    if write is None:
        data = await body.read()
        got = len(data)
    else:
        while piece := await body.read(_PIECE):
            write(piece)
            got += len(piece)
    if num_bytes >= 0 and got != num_bytes:
        raise Failure("again", f"the connection was cut after {got} of {num_bytes} bytes")
    return data


def status_failure(status: int, reason: str, remedy: str, pause: str | None) -> Failure:
    """What an HTTP status means, for S3 too."""
    if status in (429, 503):
        return Failure("throttled", reason, "ask less of the store", float(pause) if pause and pause.isdigit() else 0.0)
    if status in (408, 425) or status >= 500:
        return Failure("again", reason)
    if status in (404, 410):
        return Failure("missing", reason, remedy)
    return Failure("denied" if status in (401, 403, 407) else "refused", reason, remedy)


def connection_failure(error: BaseException) -> Failure:
    """What it means that a server could not be reached, or went away. A host that nobody knows may be one whose name
    is not spread yet, or a slip of the pen: it is tried for a short time."""
    reason = f"{type(error).__name__}: {error}"
    cause: BaseException | None = error
    for _ in range(8):
        if isinstance(cause, socket.gaierror) and cause.errno in _NO_SUCH_HOST:
            return Failure("again", f"unknown host: {reason}", "check the address", hardly_passes=True)
        cause = getattr(cause, "os_error", None) or cause.__cause__ or cause.__context__ if cause else None
    return Failure("again", reason)


def tls_failure(error: BaseException) -> Failure:
    plain = "WRONG_VERSION_NUMBER" in str(error) or "wrong version number" in str(error)
    remedy = "the server speaks plain http: write http:// instead of https://" if plain else "check its certificate"
    return Failure("refused", f"{type(error).__name__}: {error}", remedy)


# ---------------------------------------------------------------- other stores that fsspec knows


def version_of(info: Mapping[str, Any]) -> str:
    return next((f"{field}={info[field]}" for field in _VERSION_FIELDS if info.get(field)), "")
