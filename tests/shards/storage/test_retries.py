"""Failed requests are retried as long as that may help, and then say why."""

from __future__ import annotations

import socket
import subprocess
import sys

import pytest

from shards.base.errors import AccessDenied, MissingFile, SourceError
from shards.storage.remote import RemoteSource
from tests.shards.http_store import ONCE, HttpStore
from tests.shards.storage.conftest import DATA, source_at

FAULTS = [500, 502, 503, 429, 408, "cut", "short", "hang", "drip"]


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_that_passes_costs_no_byte(store: HttpStore, fault: int | str) -> None:
    source = source_at(store, **{"hang": {"read": 0.2}, "drip": {"read": 0.2, "connect": 0.2}}.get(str(fault), {}))
    store.faults.extend([fault, fault])
    assert source.read("a.tar", 100, 50) == DATA[100:150]
    counted = source.traffic.snapshot()
    assert counted["range"] == counted["retries"] + 1 and counted["bytes"] == 50
    if fault in ("hang", "drip"):  # a good answer may take longer than that too, and is then asked for again
        assert counted["retries"] >= 2
    else:
        assert len(store.requests) == counted["range"] == 3
    assert (counted["seconds_throttled"] > 0) == (fault in (429, 503))


@pytest.mark.parametrize("status", [401, 403, 404, 410, 400])
def test_what_will_not_pass_is_said_at_once(store: HttpStore, status: int) -> None:
    store.faults.append(status)
    kind = {401: AccessDenied, 403: AccessDenied, 404: MissingFile, 410: MissingFile, 400: SourceError}[status]
    with pytest.raises(kind, match=rf"127\.0\.0\.1:\d+/data/a\.tar: .*HTTP {status} .*; check the address") as error:
        source_at(store).read("a.tar", 0, 5)
    assert type(error.value) is kind and len(store.requests) == 1


def test_after_the_deadline_the_error_says_how_often_and_why(
    store: HttpStore, caplog: pytest.LogCaptureFixture
) -> None:
    store.faults.extend([500, 500, 503])
    store.headers["Retry-After"] = "1000"  # only an answer that asks for fewer requests may say this
    match = r"/data/a\.tar: cannot be read \(HTTP 503 .*\), tried 3 times in \d+ s"
    with pytest.raises(SourceError, match=match):
        source_at(store, deadline=900).read("a.tar", 0, 5)
    assert len(store.requests) == 3
    assert "trying again for up to 900 s" in caplog.text, "who waits is told"


def test_nobody_answers_at_an_address(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, but nobody listens
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        monkeypatch.setenv("MCG_SOURCE_DEADLINE", "900")
        with pytest.raises(SourceError, match=r"a\.tar: cannot be read \(.*127\.0\.0\.1.*tried 1 times.*MCG_SOURCE"):
            RemoteSource(url, waits=ONCE).read("a.tar", 0, 5)


def test_a_store_that_asks_to_be_left_alone_is(store: HttpStore) -> None:
    store.faults.append(503)
    store.headers["Retry-After"] = "1"
    source = source_at(store)
    assert source.read("a.tar", 0, 5) == DATA[:5]
    assert source.traffic.snapshot()["seconds_throttled"] >= 1


def test_processes_that_are_throttled_together_do_not_come_back_together() -> None:
    """Each pauses by its own dice, as two programs with one seed do not share them."""
    program = (
        "import random, sys; random.seed(0); from shards.storage.remote import RemoteSource\n"
        "source = RemoteSource(sys.argv[1]); source.read('a.tar')\n"
        "print(source.traffic.snapshot()['seconds_throttled'])"
    )
    with HttpStore().running() as store:
        store.files["/a.tar"] = DATA
        store.faults.extend([503, 503])
        first = subprocess.run([sys.executable, "-c", program, store.url], capture_output=True, text=True, check=True)
        store.faults.extend([503, 503])
        second = subprocess.run([sys.executable, "-c", program, store.url], capture_output=True, text=True, check=True)
    assert float(first.stdout) > 0 < float(second.stdout) and first.stdout != second.stdout
