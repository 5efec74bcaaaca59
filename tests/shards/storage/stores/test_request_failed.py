"""What the errors of servers and connections mean for a request: why it failed, and whether to send it again."""

from __future__ import annotations

import socket

import pytest

from shards.storage.stores.request_failed import RequestFailed


@pytest.mark.parametrize(
    ("status", "kind", "retryable"),
    [
        *((status, "throttled", True) for status in (429, 503)),
        *((status, "unavailable", True) for status in (408, 425, 500, 502, 504)),
        *((status, "missing", False) for status in (404, 410)),
        *((status, "denied", False) for status in (401, 403, 407)),
        *((status, "refused", False) for status in (400, 402, 418)),
    ],
)
def test_a_status_says_whether_to_retry(status: int, kind: str, retryable: bool) -> None:
    failed = RequestFailed.of_status(status, "reason", "remedy", "7")
    assert (failed.kind, failed.retryable, failed.reason) == (kind, retryable, "reason")
    assert failed.pause == (7 if kind == "throttled" else 0)
    assert RequestFailed.of_status(503, "reason", "", "Wed, 21 Oct 2026 07:28:00 GMT").pause == 0


def test_an_unknown_host_is_found_behind_other_errors() -> None:
    error = OSError("cannot connect")
    error.__cause__ = socket.gaierror(socket.EAI_NONAME, "no such host")
    failed = RequestFailed.of_connection(error)
    assert failed.retryable and failed.unlikely and failed.remedy == "check the address"
    circle = OSError("cannot connect")
    circle.__context__ = circle
    assert not RequestFailed.of_connection(circle).unlikely


def test_plain_http_behind_an_https_address_is_told() -> None:
    assert "write http://" in RequestFailed.of_tls(OSError("[SSL: WRONG_VERSION_NUMBER]")).remedy
    assert RequestFailed.of_tls(OSError("expired")).remedy == "check its certificate"


def test_the_text_of_a_failure_holds_no_secret() -> None:
    failed = RequestFailed("refused", "GET https://h/x?sig=SECRET", "")
    assert "SECRET" not in failed.reason
    with pytest.raises(RequestFailed, match=r"^GET https://h/x$"):
        raise failed
