"""S3: keys that run out are asked for anew, what can never work is said at once, what may work is tried on.

The server here knows which session tokens are good and for how many requests; signatures are checked by the real
servers of test_s3_errors.py.
"""

from __future__ import annotations

import socket
import stat
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from shards.base.errors import AccessDenied, SourceError
from shards.storage.remote import RemoteSource
from tests.shards.http_store import HURRY

DATA = bytes(range(256)) * 40
LASTS = 5
"""Requests for which a token is good."""


class Server:
    """A bucket with one object; `answer` replaces what it says, given the number of the request."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str]] = []
        self.answers: dict[int, tuple[int, bytes]] = {}
        self.tokens = False
        self._lock = threading.Lock()
        owner = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                status, body, headers = owner.take(self.path, self.headers)
                self.send_response(status)
                for name, value in {"Content-Length": str(len(body)), **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                if self.command == "GET":
                    self.wfile.write(body)

            do_HEAD = do_GET

            def log_message(self, format: str, *arguments: object) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_address[1]}"
        threading.Thread(target=self.http.serve_forever, daemon=True).start()

    def take(self, path: str, headers: Any) -> tuple[int, bytes, dict[str, str]]:
        token = headers.get("x-amz-security-token", "")
        with self._lock:
            number, used = len(self.asked), sum(t == token for _, t in self.asked)
            self.asked.append((path, token))
        if number in self.answers:
            status, body = self.answers[number]
            return status, body, {}
        if self.tokens and used >= LASTS:
            return 400, b"<Error><Code>ExpiredToken</Code><Message>it has run out</Message></Error>", {}
        first, _, last = headers.get("Range", "bytes=0-").removeprefix("bytes=").partition("-")
        begin, end = int(first or 0), int(last) + 1 if last else len(DATA)
        piece = DATA[begin:end]
        about = {"Content-Range": f"bytes {begin}-{begin + len(piece) - 1}/{len(DATA)}", "ETag": '"e"'}
        return 206, piece, about


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Server]:
    made = Server()
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_ENDPOINT_URL", made.url)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    yield made
    made.http.shutdown()
    made.http.server_close()


def _set_keys(monkeypatch: pytest.MonkeyPatch, key: str = "AKIA", secret: str = "secret", token: str = "") -> None:
    values = {"AWS_ACCESS_KEY_ID": key, "AWS_SECRET_ACCESS_KEY": secret, "AWS_SESSION_TOKEN": token}
    for name, value in values.items():
        if value:
            monkeypatch.setenv(name, value)


def _read_all(source: RemoteSource, count: int = 24) -> None:
    for number in range(count):
        assert source.read("a.tar", 10 * number, 10) == DATA[10 * number : 10 * number + 10]


# ------------------------------------------------------------ tokens that run out


def test_a_command_that_gives_out_keys_is_asked_again_when_they_run_out(
    server: Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    server.tokens = True
    counter, script = tmp_path / "counter", tmp_path / "keys.py"
    script.write_text(
        f"#!{sys.executable}\nimport json\nfrom pathlib import Path\nfile = Path({str(counter)!r})\n"
        "number = int(file.read_text()) if file.exists() else 0\nfile.write_text(str(number + 1))\n"
        "keys = {'Version': 1, 'AccessKeyId': 'AK', 'SecretAccessKey': 's', 'SessionToken': f't{number}'}\n"
        "print(json.dumps(keys))\n"
    )
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    (tmp_path / "config").write_text(f"[profile lab]\ncredential_process = {script}\nregion = us-east-1\n")
    monkeypatch.setenv("AWS_PROFILE", "lab")
    source = RemoteSource("s3://bucket/x", 30)
    _read_all(source)
    tokens = [token for _, token in server.asked]
    assert len(set(tokens)) == 5 and source.traffic.snapshot()["retries"] == 0
    assert sum(tokens.count(token) > LASTS for token in set(tokens)) == 4, "each was tried once when it had run out"


def test_many_requests_at_once_ask_for_new_keys_together(
    server: Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    server.tokens = True
    credentials = tmp_path / "credentials"
    credentials.write_text("[default]\naws_access_key_id = AK\naws_secret_access_key = s\naws_session_token = old\n")
    source = RemoteSource("s3://bucket/x", 30)
    _read_all(source, LASTS)
    credentials.write_text(credentials.read_text().replace("old", "new"))
    server.tokens = False
    server.answers = {LASTS + n: (400, b"<Error><Code>ExpiredToken</Code></Error>") for n in range(4)}
    pieces = source.read_many([("a.tar", n, 1) for n in range(4)])
    assert b"".join(pieces) == DATA[:4]
    assert {token for _, token in server.asked[LASTS + 4 :]} == {"new"}


def test_a_command_that_gives_out_keys_of_yesterday_is_told(
    server: Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    script = tmp_path / "keys.sh"
    keys = '{"Version": 1, "AccessKeyId": "A", "SecretAccessKey": "s", "Expiration": "2020-01-01T00:00:00Z"}'
    script.write_text(f"#!/bin/sh\necho '{keys}'\n")
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    (tmp_path / "config").write_text(f"[profile lab]\ncredential_process = {script}\n")
    monkeypatch.setenv("AWS_PROFILE", "lab")
    with pytest.raises(AccessDenied, match=r"refreshed credentials are still expired.*; check AWS_PROFILE"):
        RemoteSource("s3://bucket/x", 30).stat("a.tar")
    assert not server.asked


def test_keys_that_nobody_can_renew_are_refused_at_once(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    server.tokens = True
    _set_keys(monkeypatch, token="only")
    source = RemoteSource("s3://bucket/x", 30)
    with pytest.raises(AccessDenied, match=r"ExpiredToken: it has run out\); the temporary credentials have run out"):
        _read_all(source)
    assert len(server.asked) == LASTS + 1 and source.traffic.snapshot()["retries"] == 0


# ------------------------------------------------------------ what can never work


@pytest.mark.parametrize(
    ("keys", "reason"),
    [
        ({"key": "AKIA XX"}, r"the access key holds a space or a line end\); check AWS_ACCESS_KEY_ID"),
        ({"key": "AKIA\n"}, r"the access key holds a space or a line end\); check AWS_ACCESS_KEY_ID"),
        ({"secret": "secret\r\n"}, r"the secret key holds a space or a line end\); check AWS_ACCESS_KEY_ID"),
        ({"token": "a\tb"}, r"the session token holds a space or a line end\); check AWS_ACCESS_KEY_ID"),
    ],
)
def test_malformed_keys_are_refused_without_a_request(
    server: Server, monkeypatch: pytest.MonkeyPatch, keys: dict[str, str], reason: str
) -> None:
    _set_keys(monkeypatch, **keys)
    with pytest.raises(AccessDenied, match=reason) as refused:
        RemoteSource("s3://bucket/x", 30).stat("a.tar")
    assert not server.asked and "XX" not in str(refused.value)


def test_a_profile_that_is_not_there_is_named_at_once(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "nope")
    source = RemoteSource("s3://bucket/x", 30)
    with pytest.raises(SourceError, match=r"ProfileNotFound: The config profile \(nope\) could not be found; check"):
        source.stat("a.tar")
    assert source.traffic.snapshot()["retries"] == 0


def test_a_damaged_config_file_is_named_at_once(
    server: Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "config").write_text("no section\n[[[")
    _set_keys(monkeypatch)
    source = RemoteSource("s3://bucket/x", 30)
    with pytest.raises(SourceError, match=r"ConfigParseError: Unable to parse config file: .*config; check"):
        source.stat("a.tar")
    assert source.traffic.snapshot()["retries"] == 0


def test_a_server_that_is_no_s3_is_told_apart(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    _set_keys(monkeypatch)
    server.answers = dict.fromkeys(range(9), (200, b"<html><body>hello</body>"))
    with pytest.raises(SourceError, match=r"the server does not answer as S3 does; check the name of the bucket"):
        RemoteSource("s3://bucket/x", 30, waits=HURRY).list()


@pytest.mark.parametrize(("number", "is_short"), [(socket.EAI_NONAME, True), (socket.EAI_AGAIN, False)])
@pytest.mark.parametrize("url", ["s3://bucket/x", "http://no-such-host.invalid/x"])
def test_an_unknown_host_is_looked_up_for_a_short_time(
    monkeypatch: pytest.MonkeyPatch, url: str, number: int, is_short: bool
) -> None:
    """And one whose name cannot be asked for just now as long as anything else."""
    _set_keys(monkeypatch)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://no-such-host.invalid")

    def nobody(*_: object, **__: object) -> None:
        raise socket.gaierror(number, "no answer")

    monkeypatch.setattr(socket, "getaddrinfo", nobody)
    match = r"unknown host: .*, tried \d+ times in \d+ s; check the address$" if is_short else r"MCG_SOURCE_DEADLINE"
    with pytest.raises(SourceError, match=match):
        RemoteSource(url, 950 if is_short else 1, waits=HURRY).stat("a.tar")


def test_a_store_that_asks_for_less_is_asked_less_and_it_is_said(
    server: Server, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    _set_keys(monkeypatch)
    server.answers = dict.fromkeys(range(2), (503, b"<Error><Code>SlowDown</Code></Error>"))
    source = RemoteSource("s3://bucket/x", 400, waits=HURRY)
    assert source.read("a.tar", 0, 4) == DATA[:4]
    seen = source.traffic.snapshot()
    assert seen["retries"] == 2 and seen["seconds_throttled"] > 0
    assert caplog.text.count("the store asks for fewer requests") == 1
