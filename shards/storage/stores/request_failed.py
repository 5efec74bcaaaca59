"""RequestFailed: why a request to a store failed, what to do about it, and whether to send it again."""

from __future__ import annotations

import socket
from typing import Literal, Self

from shards.base.errors import PrintableError
from shards.base.redact import scrub

_NO_SUCH_HOST = {socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME)}
_MOST_CAUSES = 8
"""Errors of a chain that are looked at: one may be its own context."""


class RequestFailed(PrintableError):
    """A request that gave nothing. It never leaves this room: retries.py sends the request again, or raises the
    SourceError that says the same."""

    def __init__(
        self,
        kind: Literal["missing", "denied", "refused", "changed", "unavailable", "throttled"],
        reason: str,
        remedy: str = "",
        pause: float = 0.0,
        unlikely: bool = False,
    ) -> None:
        super().__init__(reason)
        self.kind = kind
        self.reason, self.remedy = scrub(reason), remedy
        self.pause = pause
        """Seconds for which the store asks not to be asked."""
        self.unlikely = unlikely
        """A retry will hardly ever succeed, so it is worth a short time only (Waits.unlikely)."""

    @property
    def retryable(self) -> bool:
        """The same request may succeed later."""
        return self.kind in ("unavailable", "throttled")

    @classmethod
    def of_status(cls, status: int, reason: str, remedy: str, pause: str | None = None) -> Self:
        """The meaning of an HTTP status, for S3 too. pause: the header Retry-After."""
        if status in (429, 503):
            seconds = float(pause) if pause and pause.isdigit() else 0.0
            return cls("throttled", reason, "send the store fewer requests", seconds)
        if status in (408, 425) or status >= 500:
            return cls("unavailable", reason)
        if status in (404, 410):
            return cls("missing", reason, remedy)
        return cls("denied" if status in (401, 403, 407) else "refused", reason, remedy)

    @classmethod
    def of_connection(cls, error: BaseException) -> Self:
        """The meaning of a server that could not be reached, or went away.

        An unknown host may be one whose name has not spread yet, or a typing error: it is retried for a short time.
        """
        reason = f"{type(error).__name__}: {error}"
        cause: BaseException | None = error
        for _ in range(_MOST_CAUSES):
            if isinstance(cause, socket.gaierror) and cause.errno in _NO_SUCH_HOST:
                return cls("unavailable", f"unknown host: {reason}", "check the address", unlikely=True)
            cause = getattr(cause, "os_error", None) or cause.__cause__ or cause.__context__ if cause else None
        return cls("unavailable", reason)

    @classmethod
    def of_tls(cls, error: BaseException) -> Self:
        """The meaning of a TLS error; the usual one is an https:// address of a server that speaks plain http."""
        plain = "WRONG_VERSION_NUMBER" in str(error) or "wrong version number" in str(error)
        remedy = "the server speaks plain http: write http:// instead of https://" if plain else "check its certificate"
        return cls("refused", f"{type(error).__name__}: {error}", remedy)

    @classmethod
    def no_size(cls) -> Self:
        """A file whose size the server does not say: without it no range can be checked."""
        what = "the server does not say how large it is"
        return cls("refused", what, "byte ranges cannot be read: use another server")
