"""The proxy passes everything on unchanged when it is told nothing, and otherwise does exactly what it is told."""

from __future__ import annotations

import http.client
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.servers.proxy import KINDS, REPLIES, FaultProxy, Faults
from tests.servers.s3 import S3Server

ROOT = Path(__file__).parents[2]
BODY = bytes(range(256)) * 400
WAIT = 60
"""Seconds after which what does not come is taken for lost, not for late."""


class Handler(BaseHTTPRequestHandler):
    """Answers with what it was asked; /body has ranges, /chunks comes in chunks, /close until the connection ends."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        if self.path == "/chunks":
            self.send_response(200)
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            for part in (b"one", b"two two", b""):
                self.wfile.write(b"%x\r\n%b\r\n" % (len(part), part))
            return
        if self.path == "/close":
            self.send_response(200)
            self.send_header("Connection", "close")
            self.end_headers()
            self.wfile.write(BODY)
            return
        first, last = 0, len(BODY) - 1
        if "Range" in self.headers:
            first, last = map(int, self.headers["Range"].removeprefix("bytes=").split("-"))
        data = BODY[first : last + 1]
        self._answer(206 if "Range" in self.headers else 200, data)

    def do_HEAD(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "12345")
        self.end_headers()

    def do_PUT(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self._answer(200, json.dumps({"host": self.headers["Host"], "bytes": len(body)}).encode())

    def do_DELETE(self) -> None:
        self.send_response(204)
        self.end_headers()

    def _answer(self, status: int, data: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture(scope="module")
def address() -> Iterator[tuple[str, int]]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    Thread(target=server.serve_forever, daemon=True).start()
    yield "127.0.0.1", server.server_address[1]
    server.shutdown()
    server.server_close()


@pytest.fixture
def proxy(address: tuple[str, int]) -> Iterator[FaultProxy]:
    with FaultProxy(address) as running:
        yield running


class Answer:
    def __init__(self, response: http.client.HTTPResponse, body: bytes) -> None:
        self.status, self.headers, self.body = response.status, response.headers, body


def connect(proxy: FaultProxy) -> http.client.HTTPConnection:
    return http.client.HTTPConnection("127.0.0.1", proxy.port, timeout=WAIT)


def ask(
    connection: http.client.HTTPConnection, method: str, path: str, body: bytes | None = None, **headers: str
) -> Answer:
    connection.request(method, path, body, headers)
    response = connection.getresponse()
    return Answer(response, response.read())


def until(holds: Callable[[], object]) -> None:
    end = time.monotonic() + WAIT
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.01)


def get(proxy: FaultProxy, path: str = "/body", **headers: str) -> Answer:
    connection = connect(proxy)
    try:
        return ask(connection, "GET", path, **headers)
    finally:
        connection.close()


def test_everything_passes_unchanged_on_one_connection(proxy: FaultProxy) -> None:
    connection = connect(proxy)
    assert ask(connection, "GET", "/body?x=1").body == BODY
    part = ask(connection, "GET", "/body", Range="bytes=10-19")
    assert (part.status, part.body) == (206, BODY[10:20])
    assert ask(connection, "GET", "/chunks").body == b"onetwo two"
    assert ask(connection, "HEAD", "/body").headers["Content-Length"] == "12345"
    told = json.loads(ask(connection, "PUT", "/there", b"x" * 3_000_000, Host="signed.example:1234").body)
    assert told == {"host": "signed.example:1234", "bytes": 3_000_000}
    assert ask(connection, "DELETE", "/body").status == 204
    assert ask(connection, "GET", "/close").body == BODY
    log = proxy.log()
    assert [(entry.method, entry.path, entry.range, entry.status) for entry in log] == [
        ("GET", "/body?x=1", "", 200),
        ("GET", "/body", "bytes=10-19", 206),
        ("GET", "/chunks", "", 200),
        ("HEAD", "/body", "", 200),
        ("PUT", "/there", "", 200),
        ("DELETE", "/body", "", 204),
        ("GET", "/close", "", 200),
    ]
    assert {entry.connection for entry in log} == {1} and all(entry.fault is None for entry in log)
    counted = proxy.counters()
    sent = len(BODY) + 10 + 10 + 0 + len(json.dumps(told)) + 0 + len(BODY)
    assert (counted["requests"], counted["bytes"], counted["faults"]) == (7, sent, {})
    assert (counted["connections"], counted["most_connections"], counted["most_active_requests"]) == (1, 1, 1)


def test_signatures_pass(s3_server: S3Server, use_s3: Callable[..., None]) -> None:
    import s3fs

    with FaultProxy(s3_server.address) as proxy:
        use_s3(s3_server, endpoint=proxy.endpoint)
        data = b"hello" * 2_000_000
        s3fs.S3FileSystem(skip_instance_cache=True).pipe_file("bucket/proxy/a.bin", data)
        assert s3fs.S3FileSystem(skip_instance_cache=True).cat_file("bucket/proxy/a.bin", start=5, end=20) == data[5:20]
        use_s3(s3_server, endpoint=proxy.endpoint, secret="wrong")
        with pytest.raises(PermissionError):
            s3fs.S3FileSystem(skip_instance_cache=True).cat_file("bucket/proxy/a.bin", start=5, end=20)
        entries = [entry for entry in proxy.log() if entry.path.startswith("/bucket/proxy/a.bin")]
        assert [(e.method, e.range, e.status) for e in entries if e.method == "GET"] == [
            ("GET", "bytes=5-19", 206),
            ("GET", "bytes=5-19", 403),
        ]


@pytest.mark.parametrize("kind", sorted(REPLIES))
def test_replies_are_those_of_s3_and_the_connection_goes_on(proxy: FaultProxy, kind: str) -> None:
    proxy.faults = Faults(rates={kind: 1.0}, at_most=3)
    connection = connect(proxy)
    answer = ask(connection, "GET", "/body")
    assert answer.status == int(kind) and f"<Code>{REPLIES[kind][1]}</Code>".encode() in answer.body
    assert ask(connection, "HEAD", "/body").body == b""
    assert ask(connection, "PUT", "/body", b"thrown away" * 1000).status == int(kind)
    assert ask(connection, "GET", "/body").body == BODY
    assert proxy.counters()["faults"] == {kind: 3}


def test_a_cut_answer_ends_in_mid_body(proxy: FaultProxy) -> None:
    proxy.faults = Faults(rates={"cut": 1.0}, at_most=1)
    with pytest.raises(http.client.IncompleteRead) as cut:
        get(proxy)
    assert cut.value.partial == BODY[: len(BODY) // 2]
    assert get(proxy).body == BODY
    assert [entry.sent for entry in proxy.log()] == [len(BODY) // 2, len(BODY)]


def test_a_reset_connection_gives_no_answer(proxy: FaultProxy) -> None:
    proxy.faults = Faults(rates={"reset": 1.0})
    with pytest.raises(ConnectionError):
        get(proxy)
    assert proxy.log()[0].status == 0


@pytest.mark.parametrize(("kind", "status"), [("silent", 0), ("hang", 200)])
def test_a_hanging_connection_lasts_until_the_client_leaves(proxy: FaultProxy, kind: str, status: int) -> None:
    proxy.faults = Faults(rates={kind: 1.0}, at_most=1)
    connection = connect(proxy)
    connection.request("GET", "/body")
    until(proxy.log)
    connection.sock.settimeout(0.3)
    with pytest.raises(TimeoutError):
        connection.getresponse().read()
    assert proxy.counters()["faults"] == {kind: 1}
    connection.close()
    assert get(proxy).body == BODY
    hung, _ = proxy.log()
    assert (hung.fault, hung.status, hung.sent) == (kind, status, 0)


def test_closing_ends_what_hangs(address: tuple[str, int]) -> None:
    with FaultProxy(address, Faults(rates={"hang": 1.0})) as proxy, ThreadPoolExecutor() as pool:
        waiting = pool.submit(get, proxy)
        until(proxy.log)
        proxy.close()
        with pytest.raises((http.client.HTTPException, ConnectionError)):
            waiting.result(timeout=WAIT)


def test_a_flipped_bit_is_one_bit(proxy: FaultProxy) -> None:
    proxy.faults = Faults(rates={"flip": 1.0})
    different = [i for i, (a, b) in enumerate(zip(get(proxy).body, BODY, strict=True)) if a != b]
    assert different == [len(BODY) // 2]


def test_a_slow_connection_takes_the_time_that_its_rate_says(proxy: FaultProxy) -> None:
    # At least: a busy machine may take longer. The burst that it may catch up on is a tenth of a second.
    proxy.faults = Faults(bandwidth=len(BODY) / 0.5)
    started = time.monotonic()
    assert get(proxy).body == BODY
    assert time.monotonic() - started >= 0.5 - 0.1
    proxy.faults = Faults(rates={"drip": 1.0}, drip_rate=50.0)
    started = time.monotonic()
    assert get(proxy, Range="bytes=0-19").body == BODY[:20]
    assert time.monotonic() - started >= 0.4 - 0.1


def test_latency_is_paid_once_a_request(proxy: FaultProxy) -> None:
    proxy.faults = Faults(latency=0.2)
    connection = connect(proxy)
    for _ in range(2):
        started = time.monotonic()
        ask(connection, "GET", "/body")
        assert time.monotonic() - started >= 0.2


def test_a_connection_too_many_is_turned_away(proxy: FaultProxy) -> None:
    proxy.faults = Faults(max_connections=1)
    first, second = connect(proxy), connect(proxy)
    assert ask(first, "GET", "/body").status == 200
    assert ask(second, "GET", "/body").status == 503
    until(lambda: proxy.counters()["open_connections"] == 1)
    assert ask(first, "GET", "/body").status == 200


def test_faults_are_for_the_requests_that_they_are_meant_for(proxy: FaultProxy) -> None:
    proxy.faults = Faults(rates={"404": 1.0}, only=r"^GET /b.*x=2")
    assert [get(proxy, f"/body?x={i}").status for i in range(4)] == [200, 200, 404, 200]
    proxy.faults = Faults(rates={"404": 1.0}, only=r"bytes=7-")
    assert [get(proxy, Range=f"bytes={i}-9").status for i in (6, 7, 8)] == [206, 404, 206]


def test_the_same_requests_meet_the_same_faults_again(proxy: FaultProxy) -> None:
    seen = []
    for _ in range(2):
        proxy.faults = Faults(rates={"503": 0.3, "404": 0.2}, seed=7)
        seen.append([get(proxy, Range="bytes=0-1").status for _ in range(40)])
    assert seen[0] == seen[1] and {206, 404, 503} == set(seen[0])


@settings(max_examples=30)
@given(seed=st.integers(0, 2**32), weights=st.lists(st.integers(1, 9), min_size=1, max_size=len(KINDS)))
def test_shares_are_as_told(seed: int, weights: list[int]) -> None:
    rates = {kind: weight / 150 for kind, weight in zip(KINDS, weights, strict=False)}
    drawn = [Faults(rates=rates, seed=seed).draw(number) for number in range(4000)]
    for kind, rate in rates.items():
        assert abs(drawn.count(kind) / 4000 - rate) < 0.02


def test_wrong_faults_are_refused() -> None:
    with pytest.raises(ValueError, match=r"unknown faults \['502'\]; there are 400, 403"):
        Faults(rates={"502": 0.1})
    with pytest.raises(ValueError, match="sum to 1 at most"):
        Faults(rates={"503": 0.7, "404": 0.4})


def test_forget_begins_anew(proxy: FaultProxy) -> None:
    get(proxy)
    proxy.forget()
    assert proxy.log() == [] and proxy.counters()["requests"] == proxy.counters()["bytes"] == 0


def test_as_a_program_it_tells_its_port_and_is_changed_from_outside(address: tuple[str, int]) -> None:
    command = [sys.executable, "-m", "tests.servers.proxy", "--to", f"{address[0]}:{address[1]}", "--rate", "404=1"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        port = int(process.stdout.readline())
        try:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=WAIT)
            assert ask(connection, "GET", "/body").status == 404
            assert ask(connection, "PUT", "/-proxy/faults", b'{"rates": {"flop": 1}}').status == 400
            assert ask(connection, "PUT", "/-proxy/faults", b'{"rates": {"503": 1}, "at_most": 1}').status == 200
            assert [ask(connection, "GET", "/body").status for _ in range(2)] == [503, 200]
            told = json.loads(ask(connection, "GET", "/-proxy/").body)
            assert (told["requests"], told["faults"], told["settings"]["at_most"]) == (3, {"404": 1, "503": 1}, 1)
            lines = ask(connection, "GET", "/-proxy/log").body.splitlines()
            assert [json.loads(line)["status"] for line in lines] == [404, 503, 200]
            assert ask(connection, "PUT", "/-proxy/forget").status == 200
            assert json.loads(ask(connection, "GET", "/-proxy/").body)["requests"] == 0
        finally:
            process.terminate()
        assert process.wait(WAIT) == 0


def test_as_a_program_it_ends_with_the_process_that_started_it(address: tuple[str, int]) -> None:
    script = f"""
import subprocess, sys
command = [sys.executable, "-m", "tests.servers.proxy", "--to", "{address[0]}:{address[1]}"]
proxy = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
print(proxy.pid, proxy.stdout.readline(), flush=True)
"""
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    pid = done.stdout.split()[0]
    until(lambda: not Path(f"/proc/{pid}/exe").exists())
