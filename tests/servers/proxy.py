"""A proxy that stands between a client and an HTTP or S3 server and makes the way between them bad.

    with FaultProxy(server.address) as proxy:            # in a test: a thread for each connection of this process
        proxy.faults = Faults(rates={"503": 0.15})       # from the next request on
        ...                                              # the client talks to proxy.endpoint
        assert proxy.counters()["faults"] == {"503": 12}

    python -m tests.servers.proxy --to 127.0.0.1:9000 --latency-ms 50 --mb-per-s 50 --rate 503=0.15

The second form prints its port, and ends with the process that started it. While it runs, http://127.0.0.1:PORT/-proxy/
answers: GET (counters and settings), GET log (a JSON line for each request), PUT faults (fields of `Faults` as JSON),
PUT forget (begin log and counters anew). Standard library only, so that any environment can run it.

Promises: requests and answers pass unchanged, the Host header too, so signatures stay right; the k-th matching request
meets the same fault every time, by the seed; a connection is as slow as it is told to be, to about a percent.
Gives up: TLS, pipelined requests, trailers' meaning; uploads are not slowed. One thread for each connection.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import signal
import socket
import struct
import threading
import time
from collections import Counter, deque
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from hashlib import blake2b
from io import BufferedReader
from typing import Any, NamedTuple

REPLIES = {
    "400": (400, "ExpiredToken", "The provided token has expired."),
    "403": (403, "AccessDenied", "Access Denied."),
    "404": (404, "NoSuchKey", "The specified key does not exist."),
    "429": (429, "TooManyRequests", "Too many requests."),
    "500": (500, "InternalError", "We encountered an internal error. Please try again."),
    "503": (503, "SlowDown", "Please reduce your request rate."),
}
"""Faults that are an answer of the proxy's own: status, code and message, as S3 says them."""
BROKEN = {
    "reset": "the connection is reset instead of an answer",
    "silent": "no answer, the connection stays open",
    "hang": "the head of the answer, then nothing; the connection stays open",
    "cut": "the head and half the body, then the connection is closed",
    "drip": "the body comes at drip_rate",
    "flip": "one bit in the middle of the body is wrong",
}
"""Faults of the connection."""
KINDS = (*REPLIES, *BROKEN)

_CHUNK_SECONDS = 0.02
"""A slow connection is written to this often; often enough to be even, seldom enough to cost nothing."""
_BURST_SECONDS = 0.1
"""How much of what the machine missed, because it was busy, a slow connection may catch up on."""
_BUFFER = 1 << 20
_CONTROL = "/-proxy/"


@dataclass(frozen=True)
class Faults:
    """What the proxy does to requests; the default does nothing."""

    latency: float = 0.0
    """Seconds that a request waits before it is passed on, so: to the first byte of the answer, beyond the server's."""
    bandwidth: float = 0.0
    """Bytes a second of each connection, answers only; 0: no limit."""
    max_connections: int = 0
    """A request on a connection beyond these is answered 503 and its connection closed; 0: no limit."""
    rates: Mapping[str, float] = field(default_factory=dict)
    """Fault of KINDS -> share of the matching requests that meet it; they sum to 1 at most."""
    only: str = ""
    """Requests that may meet a fault of `rates`: a regular expression, searched in "METHOD /path?query RANGE"."""
    at_most: int | None = None
    """Faults of `rates` after which there are no more; None: no end."""
    seed: int = 0
    drip_rate: float = 1000.0
    """Bytes a second of the fault `drip`."""

    def __post_init__(self) -> None:
        unknown = sorted(set(self.rates) - set(KINDS))
        if unknown:
            raise ValueError(f"rates: unknown faults {unknown}; there are {', '.join(KINDS)}")
        if min(self.rates.values(), default=0) < 0 or sum(self.rates.values()) > 1 + 1e-9:
            raise ValueError(f"rates: shares must be positive and sum to 1 at most, not {dict(self.rates)}")
        re.compile(self.only)

    def draw(self, number: int) -> str | None:
        """The fault that the matching request of this number meets."""
        digest = blake2b(f"{self.seed} {number}".encode(), digest_size=8).digest()
        place = int.from_bytes(digest, "little") / 2**64
        for kind, rate in self.rates.items():
            place -= rate
            if place < 0:
                return kind
        return None


class Request(NamedTuple):
    """One request as the proxy saw it."""

    number: int
    method: str
    path: str
    """With the query."""
    range: str
    """The Range header: "bytes=0-99", or ""."""
    status: int
    """What the client was told; 0: nothing."""
    fault: str | None
    sent: int
    """Bytes of the answer's body that went to the client."""
    seconds: float
    """From the end of the request's head to the end of the answer."""
    connection: int
    """Number of the client's connection."""


class FaultProxy:
    """A server on a free port of loopback; `faults` may be set at any time."""

    def __init__(self, to: tuple[str, int], faults: Faults | None = None, port: int = 0) -> None:
        self.to = to
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self._sockets: set[socket.socket] = set()
        self._log: deque[Request] = deque(maxlen=200_000)
        self._reset()
        self.faults = faults or Faults()
        self._listener = socket.create_server(("127.0.0.1", port), backlog=1024)
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, name="fault-proxy", daemon=True).start()

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def faults(self) -> Faults:
        return self._faults

    @faults.setter
    def faults(self, faults: Faults) -> None:
        """From the next request on; requests are numbered from 0 again."""
        with self._lock:
            self._faults = faults
            self._only = re.compile(faults.only)
            self._matching = self._met = 0

    def log(self) -> list[Request]:
        """The requests since the last `forget` in the order in which they were answered, or began to hang."""
        with self._lock:
            return list(self._log)

    def counters(self) -> dict[str, Any]:
        """Sums since the last `forget`: requests, bytes of answers, faults by kind, connections; and what is now."""
        with self._lock:
            return {
                "requests": self._requests,
                "bytes": self._bytes,
                "faults": dict(self._fault_counts),
                "connections": self._connections,
                "open_connections": self._open,
                "most_connections": self._most_open,
                "active_requests": self._active,
                "most_active_requests": self._most_active,
            }

    def forget(self) -> None:
        """Begin log and sums anew."""
        with self._lock:
            self._reset(self._open, self._active)

    def _reset(self, open_now: int = 0, active_now: int = 0) -> None:
        self._log.clear()
        self._requests = self._bytes = self._connections = 0
        self._fault_counts: Counter[str] = Counter()
        self._open = self._most_open = open_now
        self._active = self._most_active = active_now

    def close(self) -> None:
        """End every connection, hanging ones too."""
        self._closing.set()
        with self._lock:
            sockets = [self._listener, *self._sockets]
        for one in sockets:
            # A closed socket would not wake the thread that waits in it.
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def __enter__(self) -> FaultProxy:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # ---- what the connections ask for

    def _accept(self) -> None:
        number = 0
        while not self._closing.is_set():
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            number += 1
            threading.Thread(target=self._serve, args=(client, number), daemon=True).start()

    def _serve(self, client: socket.socket, number: int) -> None:
        with self._lock:
            self._connections += 1
            self._open += 1
            self._most_open = max(self._most_open, self._open)
        connection = _Connection(self, client, number)
        try:
            # What breaks here is the client's or the server's connection; the other end learns it by its own.
            with suppress(OSError, _Ended):
                client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self.hold(client)
                while not self._closing.is_set():
                    connection.one_request()
        finally:
            connection.close()
            with self._lock:
                self._open -= 1

    def hold(self, one: socket.socket) -> None:
        with self._lock:
            self._sockets.add(one)
        if self._closing.is_set():  # `close` may have looked before
            raise _Ended

    def drop(self, one: socket.socket) -> None:
        with self._lock:
            self._sockets.discard(one)
        one.close()

    def begin(self, line: str) -> tuple[int, Faults, str | None]:
        """Count a request; returns its number, what to do to connections, and the fault that it meets."""
        with self._lock:
            number, faults, fault = self._requests, self._faults, None
            self._requests += 1
            self._active += 1
            self._most_active = max(self._most_active, self._active)
            if faults.max_connections and self._open > faults.max_connections:
                fault = "503"
            elif self._only.search(line):
                if faults.at_most is None or self._met < faults.at_most:
                    fault = faults.draw(self._matching)
                    self._met += fault is not None
                self._matching += 1
            return number, faults, fault

    def end(self, request: Request) -> None:
        with self._lock:
            self._active -= 1
            self._bytes += request.sent
            if request.fault:
                self._fault_counts[request.fault] += 1
            self._log.append(request)

    def sleep(self, seconds: float) -> None:
        if seconds > 0 and self._closing.wait(seconds):
            raise _Ended


class _Ended(Exception):
    """The connection is over, as it should be."""


class _Head:
    """First line and headers of a request or an answer, and its bytes as they came."""

    def __init__(self, file: BufferedReader) -> None:
        self.raw = bytearray()
        self.fields: dict[str, str] = {}
        while (line := file.readline(1 << 16)) not in (b"\r\n", b"\n"):
            if not line:
                raise _Ended
            if self.raw:
                name, _, value = line.decode("latin-1").partition(":")
                self.fields[name.strip().lower()] = value.strip()
            self.raw += line
        self.raw += b"\r\n"
        self.words = self.raw.split(b"\r\n", 1)[0].decode("latin-1").split(" ", 2)

    @property
    def length(self) -> int:
        return int(self.fields.get("content-length", 0))

    @property
    def is_chunked(self) -> bool:
        return self.fields.get("transfer-encoding", "").lower() == "chunked"

    @property
    def closes(self) -> bool:
        said = self.fields.get("connection", "").lower()
        return said == "close" or (self.words[0] == "HTTP/1.0" and said != "keep-alive")


class _Connection:
    """One connection of a client, with its own to the server."""

    def __init__(self, proxy: FaultProxy, client: socket.socket, number: int) -> None:
        self.proxy, self.client, self.number = proxy, client, number
        self.input = client.makefile("rb")
        self.server: socket.socket | None = None
        self.buffer = memoryview(bytearray(_BUFFER))
        self.request: Request | None = None
        """The request that is being answered and is not in the log yet."""
        self.started = 0.0
        self.status = self.sent = 0
        self.free_at = 0.0
        """When a slow connection has sent all that it was given, by time.monotonic."""

    def close(self) -> None:
        self.input.close()
        self.proxy.drop(self.client)
        self._leave_server()

    def _leave_server(self) -> None:
        if self.server is not None:
            self.output.close()
            self.proxy.drop(self.server)
            self.server = None

    def one_request(self) -> None:
        head = _Head(self.input)
        method, path = head.words[0], head.words[1]
        if path.startswith(_CONTROL):
            return self._control(method, path.removeprefix(_CONTROL), head)
        self.started = time.monotonic()
        asked = head.fields.get("range", "")
        number, faults, fault = self.proxy.begin(f"{method} {path} {asked}")
        self.request = Request(number, method, path, asked, 0, fault, 0, 0.0, self.number)
        self.status = self.sent = 0
        try:
            self.proxy.sleep(faults.latency)
            if fault in REPLIES:
                self._reply(head, *REPLIES[fault])
            else:
                self._pass_on(head, faults, fault)
        finally:
            self._note()
        limit = faults.max_connections
        if limit and fault == "503" and self.proxy.counters()["open_connections"] > limit:
            raise _Ended

    def _note(self) -> None:
        """Log the request, once, before its last bytes are sent: who has the answer finds it in the log."""
        if self.request is not None:
            seconds = time.monotonic() - self.started
            self.proxy.end(self.request._replace(status=self.status, sent=self.sent, seconds=seconds))
            self.request = None

    # ---- answers of the proxy's own

    def _reply(self, request: _Head, status: int, code: str, message: str) -> None:
        body = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>{message}</Message></Error>".encode()
        self._discard_body(request)
        self._answer(request, status, code, "application/xml", body)

    def _answer(self, request: _Head, status: int, reason: str, kind: str, body: bytes) -> None:
        head = f"HTTP/1.1 {status} {reason}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n".encode()
        self.status = status
        self._note()
        self.client.sendall(head if request.words[0] == "HEAD" else head + body)

    def _discard_body(self, request: _Head) -> bytes:
        if "expect" in request.fields:
            self.client.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        if not request.is_chunked:
            return self.input.read(request.length)
        while size := int(self.input.readline().split(b";")[0], 16):
            self.input.read(size + 2)
        while self.input.readline() not in (b"\r\n", b"\n", b""):
            pass
        return b""

    def _control(self, method: str, what: str, request: _Head) -> None:
        body = self._discard_body(request)
        status, reason, text = 200, "OK", ""
        if (method, what) == ("GET", ""):
            text = json.dumps({**self.proxy.counters(), "settings": asdict(self.proxy.faults)})
        elif (method, what) == ("GET", "log"):
            text = "".join(json.dumps(entry._asdict()) + "\n" for entry in self.proxy.log())
        elif (method, what) == ("PUT", "faults"):
            try:
                self.proxy.faults = Faults(**json.loads(body))
            except (TypeError, ValueError, re.error) as error:
                status, reason, text = 400, "Bad Request", str(error)
        elif (method, what) == ("PUT", "forget"):
            self.proxy.forget()
        else:
            status, reason, text = 404, "Not Found", "GET '', GET 'log', PUT 'faults' or PUT 'forget'"
        self._answer(request, status, reason, "application/json", text.encode())

    # ---- the server's answers

    def _pass_on(self, request: _Head, faults: Faults, fault: str | None) -> None:
        if fault == "silent":
            self._note()
            self._hang()
        if fault == "reset":
            self._break()
        answer = self._ask(request)
        self.status = int(answer.words[1])
        rate = faults.drip_rate if fault == "drip" else faults.bandwidth
        bodiless = request.words[0] == "HEAD" or self.status in (204, 304) or answer.fields.get("content-length") == "0"
        if bodiless or fault == "hang":
            self._note()
        self.client.sendall(answer.raw)
        if fault == "hang":
            self._hang()
        if not bodiless and fault == "cut":
            self._relay(answer.length // 2, rate)
            raise _Ended
        if not bodiless and answer.is_chunked:
            self._relay_chunks(rate)
        elif not bodiless and "content-length" in answer.fields:
            self._relay(answer.length, rate, answer.length // 2 if fault == "flip" else -1)
        elif not bodiless:
            self._relay(None, rate)
        if answer.closes or request.closes:
            raise _Ended

    def _ask(self, request: _Head) -> _Head:
        """Send the request with its body; returns the head of the final answer."""
        kept = self.server is not None
        try:
            return self._ask_once(request)
        except (OSError, _Ended):
            # The server may have closed a connection that it had kept for the next request.
            self._leave_server()
            if not kept or request.length or request.is_chunked:
                raise
        return self._ask_once(request)

    def _ask_once(self, request: _Head) -> _Head:
        if self.server is None:
            self.server = socket.create_connection(self.proxy.to)
            self.server.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.output = self.server.makefile("rb")
            self.proxy.hold(self.server)
        self.server.sendall(request.raw)
        if "expect" in request.fields:
            answer = _Head(self.output)
            self.client.sendall(answer.raw)
            if answer.words[1] != "100":  # refused before the body was sent: the connection cannot go on
                self.status = int(answer.words[1])
                self._relay(answer.length, 0)
                raise _Ended
        if request.is_chunked:
            while line := self.input.readline():
                size = int(line.split(b";")[0], 16)
                self.server.sendall(line + self.input.read(size + 2))
                if not size:
                    break
        left = request.length
        while left:
            got = self.input.readinto(self.buffer[: min(left, _BUFFER)])
            if not got:
                raise _Ended
            self.server.sendall(self.buffer[:got])
            left -= got
        answer = _Head(self.output)
        while answer.words[1] == "100":
            answer = _Head(self.output)
        return answer

    def _relay(self, length: int | None, rate: float, flip_at: int = -1, is_chunk: bool = False) -> None:
        """Pass on this many bytes of the body, or all until the server closes, at a rate in bytes a second."""
        size = _BUFFER if not rate else max(1, min(_BUFFER, int(rate * _CHUNK_SECONDS)))
        self.free_at = max(self.free_at, time.monotonic())
        done = 0
        while length is None or done < length:
            part = self.buffer[: size if length is None else min(size, length - done)]
            # Whole chunks where the rate is limited, whatever has come where it is not.
            got = self.output.readinto(part) if rate else self.output.readinto1(part)
            if not got and length is None:
                break
            if not got:
                raise _Ended
            if done <= flip_at < done + got:
                part[flip_at - done] ^= 1
            if rate:
                self._pace(got, rate)
            done += got
            self.sent += got
            if done == length and not is_chunk:
                self._note()
            self.client.sendall(part[:got])

    def _pace(self, num_bytes: int, rate: float) -> None:
        """Wait until a line of this rate would have carried all that was given to it and these bytes."""
        now = time.monotonic()
        self.free_at = max(self.free_at, now - _BURST_SECONDS) + num_bytes / rate
        self.proxy.sleep(self.free_at - now)

    def _relay_chunks(self, rate: float) -> None:
        while line := self.output.readline():
            self.client.sendall(line)
            size = int(line.split(b";")[0], 16)
            if not size:
                break
            self._relay(size + 2, rate, is_chunk=True)
            self.sent -= 2
        while (line := self.output.readline()) not in (b"\r\n", b"\n", b""):
            self.client.sendall(line)
        self._note()
        self.client.sendall(b"\r\n")

    def _hang(self) -> None:
        """Say nothing until the client goes away or the proxy is closed."""
        while self.client.recv(1 << 16):
            pass
        raise _Ended

    def _break(self) -> None:
        """Reset the connection."""
        self._note()
        self.client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        raise _Ended


def main() -> None:
    parser = argparse.ArgumentParser(description="A proxy that makes the way to a server slow or faulty.")
    parser.add_argument("--to", required=True, metavar="HOST:PORT", help="the server")
    parser.add_argument("--port", type=int, default=0, help="where to listen on 127.0.0.1; 0: any free one")
    parser.add_argument("--latency-ms", type=float, default=0.0, help="milliseconds more to the first byte")
    parser.add_argument("--mb-per-s", type=float, default=0.0, help="10^6 bytes a second a connection; 0: no limit")
    parser.add_argument("--max-connections", type=int, default=0, help="connections at once; 0: no limit")
    rate_help = f"share of the requests that meet a fault; may be repeated; {', '.join(KINDS)}"
    parser.add_argument("--rate", action="append", default=[], metavar="FAULT=SHARE", help=rate_help)
    parser.add_argument("--only", default="", help='which requests: a pattern searched in "METHOD /path?query RANGE"')
    parser.add_argument("--at-most", type=int, default=None, help="faults after which there are no more")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    host, _, port = given.to.rpartition(":")
    pairs = [rate.partition("=") for rate in given.rate]
    try:
        faults = Faults(
            latency=given.latency_ms / 1000,
            bandwidth=given.mb_per_s * 1e6,
            max_connections=given.max_connections,
            rates={kind: float(share) for kind, _, share in pairs},
            only=given.only,
            at_most=given.at_most,
            seed=given.seed,
        )
    except (ValueError, re.error) as error:
        parser.error(str(error))
    parent = os.getppid()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with FaultProxy((host, int(port)), faults, given.port) as proxy, suppress(KeyboardInterrupt):
        print(proxy.port, flush=True)
        while os.getppid() == parent:
            time.sleep(0.5)


if __name__ == "__main__":
    main()
