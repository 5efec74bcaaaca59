"""Failures by kind, and which of them are asked again: within a run, and in the next one."""

from __future__ import annotations

import socket

import aiohttp
import pytest

from tools.fetch.failures import KINDS, FetchFailed


@pytest.mark.parametrize(
    ("status", "kind", "again", "lasting"),
    [
        (404, "404 not found", False, True),
        (410, "410 gone", False, True),
        (403, "401 or 403 denied", False, True),
        (418, "other status", False, True),
        (429, "429 or 503 throttled", True, False),
        (503, "429 or 503 throttled", True, False),
        (500, "server error", True, False),
        (408, "timeout", True, False),
    ],
)
def test_a_status_has_its_kind(status: int, kind: str, again: bool, lasting: bool) -> None:
    failed = FetchFailed.of_status(status, "Said", 3.0)
    assert (failed.kind, failed.is_worth_another, failed.is_lasting) == (kind, again, lasting)
    assert str(failed) == f"HTTP {status} Said" and kind in KINDS
    assert failed.pause == (3.0 if status in (429, 503) else 0.0)


def test_errors_of_connections_have_their_kinds() -> None:
    unknown = aiohttp.ClientConnectorDNSError.__new__(aiohttp.ClientConnectorDNSError)
    unknown.__cause__ = socket.gaierror(socket.EAI_NONAME, "Name or service not known")
    errors = {
        "timeout": aiohttp.ServerTimeoutError("slow"),
        "connection": aiohttp.ClientPayloadError("cut"),
        "refused address": aiohttp.InvalidURL("x"),
    }
    for kind, error in errors.items():
        assert FetchFailed.of_connection(error).kind == kind
    wrapped = RuntimeError()
    wrapped.__cause__ = unknown.__cause__
    assert FetchFailed.of_connection(wrapped).kind == "unknown host"
    inner = ValueError()
    inner.__context__ = FetchFailed("refused address", "private")
    assert FetchFailed.of_connection(inner).kind == "refused address"
