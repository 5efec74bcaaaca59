"""FetchFailed: why an address gave no file, by a kind that is counted, and whether asking again may help."""

from __future__ import annotations

import socket
from typing import Self

from shards.base import PrintableError

NOT_FOUND, GONE, DENIED, STATUS = "404 not found", "410 gone", "401 or 403 denied", "other status"
UNKNOWN_HOST, TIMEOUT, TLS, CONNECTION = "unknown host", "timeout", "TLS", "connection"
THROTTLED, SERVER = "429 or 503 throttled", "server error"
PAGE, EMPTY, TOO_LARGE, WRONG_TYPE, CHECKSUM = "HTML page", "empty", "too large", "wrong type", "wrong checksum"
REFUSED = "refused address"
KINDS = (
    *(NOT_FOUND, GONE, DENIED, STATUS, UNKNOWN_HOST, TIMEOUT, TLS, CONNECTION, THROTTLED, SERVER),
    *(PAGE, EMPTY, TOO_LARGE, WRONG_TYPE, CHECKSUM, REFUSED),
)
"""Every failure is counted under one of these."""
_AGAIN = (TIMEOUT, CONNECTION, THROTTLED, SERVER)
_PASSING = (*_AGAIN, UNKNOWN_HOST, TLS)
"""Kinds that may be faults of this network or of a bad hour."""
_MOST_CAUSES = 8


class FetchFailed(PrintableError):
    """An address that gave no file. It never leaves this room: it is counted, and filed in the ledger."""

    def __init__(self, kind: str, reason: str, pause: float = 0.0) -> None:
        assert kind in KINDS, kind
        super().__init__(reason)
        self.kind, self.reason = kind, reason
        self.pause = pause
        """Seconds for which the server asks not to be asked."""

    @property
    def is_worth_another(self) -> bool:
        """The same request may succeed within this run."""
        return self.kind in _AGAIN

    @property
    def is_lasting(self) -> bool:
        """The next run need not ask again."""
        return self.kind not in _PASSING

    @classmethod
    def of_status(cls, status: int, reason: str, pause: float) -> Self:
        """The meaning of an HTTP status."""
        said = f"HTTP {status} {reason}".strip()
        if status in (429, 503):
            return cls(THROTTLED, said, pause)
        if status in (408, 425):
            return cls(TIMEOUT, said)
        if status >= 500:
            return cls(SERVER, said)
        return cls({404: NOT_FOUND, 410: GONE, 401: DENIED, 403: DENIED}.get(status, STATUS), said)

    @classmethod
    def of_connection(cls, error: BaseException) -> Self:
        """The meaning of an error of the connection, as aiohttp raises it."""
        import aiohttp

        if isinstance(error, (aiohttp.ClientSSLError, aiohttp.ClientConnectorCertificateError)):
            return cls(TLS, f"{type(error).__name__}: {error}")
        if isinstance(error, aiohttp.InvalidURL):
            return cls(REFUSED, f"is no address: {error}")
        if isinstance(error, TimeoutError):
            return cls(TIMEOUT, str(error) or "no answer in time")
        cause: BaseException | None = error
        for _ in range(_MOST_CAUSES):
            if isinstance(cause, FetchFailed):
                return cls(cause.kind, cause.reason)
            if isinstance(cause, socket.gaierror):
                return cls(UNKNOWN_HOST, str(error))
            cause = getattr(cause, "os_error", None) or cause.__cause__ or cause.__context__ if cause else None
        return cls(CONNECTION, f"{type(error).__name__}: {error}")
