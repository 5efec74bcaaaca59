"""A request to a store that gave nothing: why, and whether to send it again."""

from __future__ import annotations

import socket
from typing import Literal

from shards.base.errors import PrintableError
from shards.base.redact import scrub

_NO_SUCH_HOST = {socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME)}


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
