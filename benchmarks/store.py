"""An object store on loopback for the benchmarks: a folder behind S3's reading verbs, as slow and as broken as asked.

    python benchmarks/store.py FOLDER

Serves ListObjects (1 and 2), HEAD and GET with ranges, ETags and If-Match, path style, plain HTTP, keep-alive;
/BUCKET/KEY is FOLDER/BUCKET/KEY. `latency_s` goes by before the first byte of every answer, `bytes_per_s` limits each
connection; bodies go by sendfile, so that the server takes little of the cores that are measured. Not here:
signatures (see tests/servers for real ones), writing, TLS. POST /_behave sets what it does to requests, GET /_counted
tells what came.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, dataclass, fields
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

CHUNK = 1 << 18
KEYS_AT_ONCE = 1000
LARGE = 1 << 20
"""Bytes from which on a read counts as large."""


@dataclass
class Behaviour:
    """What is done to requests."""

    latency_s: float = 0.0
    bytes_per_s: float = 0.0
    """Of one connection; 0: as fast as it goes."""
    refuse: float = 0.0
    """Share of the object reads that get a 503 SlowDown."""
    cut: float = 0.0
    """Share of the object reads whose connection ends in the middle of the body."""
    expired: bool = False
    """Everything gets a 403 ExpiredToken."""
    seed: int = 0


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256

    def __init__(self, folder: Path) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.folder = folder
        self.behaviour = Behaviour()
        self.dice = random.Random(0)
        self.counted: Counter[str] = Counter()
        self.lock = threading.Lock()
        self.sending = 0  # large reads under way

    def count(self, **numbers: int) -> None:
        with self.lock:
            self.counted.update(numbers)

    @contextmanager
    def large_read(self) -> Iterator[None]:
        """Count large reads under way at once, the most since the behaviour was set."""
        with self.lock:
            self.sending += 1
            self.counted["at_once"] = max(self.counted["at_once"], self.sending)
        try:
            yield
        finally:
            with self.lock:
                self.sending -= 1

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exc_info()[1], (ConnectionError, TimeoutError)):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = 1 << 16
    server: _Server

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.behaviour = Behaviour(**json.loads(body))
        self.server.dice = random.Random(self.server.behaviour.seed)
        self.server.counted["at_once"] = 0
        self._answer(200, b"")

    def do_HEAD(self) -> None:
        self._serve()

    def do_GET(self) -> None:
        if self.path == "/_counted":
            counted = {**self.server.counted, "cpu_ms": int(1e3 * time.process_time())}
            self._answer(200, json.dumps(counted).encode(), "application/json")
        else:
            self._serve()

    def _serve(self) -> None:
        behaviour, server = self.server.behaviour, self.server
        time.sleep(behaviour.latency_s)
        parts = urlsplit(self.path)
        path, query = unquote(parts.path).strip("/"), parse_qs(parts.query, keep_blank_values=True)
        if behaviour.expired:
            server.count(refused=1)
            self._error(403, "ExpiredToken", "The provided token has expired.")
        elif "/" not in path:
            self._bucket(path, query)
        elif ".." in path.split("/") or not (file := server.folder / path).is_file():
            server.count(missing=1)
            self._error(404, "NoSuchKey", "The specified key does not exist.")
        elif self.command == "GET" and server.dice.random() < behaviour.refuse:
            server.count(refused=1)
            self._error(503, "SlowDown", "Please reduce your request rate.")
        else:
            self._object(file, cut=self.command == "GET" and server.dice.random() < behaviour.cut)

    def _bucket(self, bucket: str, query: dict[str, list[str]]) -> None:
        folder = self.server.folder / bucket
        if not folder.is_dir():
            self._error(404, "NoSuchBucket", "The specified bucket does not exist.")
            return
        if self.command == "HEAD":
            self._answer(200, b"")
            return
        self.server.count(list=1)
        prefix, delimiter = query.get("prefix", [""])[0], query.get("delimiter", [""])[0]
        after = unquote((query.get("continuation-token") or query.get("marker") or query.get("start-after") or [""])[0])
        limit = min(int(query.get("max-keys", [KEYS_AT_ONCE])[0]), KEYS_AT_ONCE)
        keys = sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
        found: list[str] = []
        common: list[str] = []
        more = False
        for key in keys:
            if not key.startswith(prefix) or key <= after:
                continue
            rest = key[len(prefix) :]
            if delimiter and delimiter in rest:
                group = prefix + rest.split(delimiter)[0] + delimiter
                if group not in common:
                    common.append(group)
                continue
            if len(found) == limit:
                more = True
                break
            found.append(key)
        lines = [f"<Name>{escape(bucket)}</Name><Prefix>{escape(prefix)}</Prefix><KeyCount>{len(found)}</KeyCount>"]
        lines.append(f"<MaxKeys>{limit}</MaxKeys><IsTruncated>{str(more).lower()}</IsTruncated>")
        if more:
            lines += [f"<{name}>{escape(found[-1])}</{name}>" for name in ("NextContinuationToken", "NextMarker")]
        for key in found:
            stat = (folder / key).stat()
            when = time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(stat.st_mtime))
            lines.append(
                f"<Contents><Key>{escape(key)}</Key><LastModified>{when}</LastModified><ETag>{_etag(stat)}</ETag>"
                f"<Size>{stat.st_size}</Size><StorageClass>STANDARD</StorageClass></Contents>"
            )
        lines += [f"<CommonPrefixes><Prefix>{escape(group)}</Prefix></CommonPrefixes>" for group in common]
        name = "ListBucketResult"
        text = f'<{name} xmlns="http://s3.amazonaws.com/doc/2006-03-01/">{"".join(lines)}</{name}>'
        self._answer(200, text.encode(), "application/xml")

    def _object(self, file: Path, cut: bool) -> None:
        stat = file.stat()
        wanted = self.headers.get("If-Match")
        if wanted and wanted.strip('"') != _etag(stat).strip('"'):
            self._error(412, "PreconditionFailed", "The object was replaced.")
            return
        start, stop, asked = 0, stat.st_size, self.headers.get("Range", "")
        if asked.startswith("bytes="):
            first, _, last = asked[6:].partition("-")
            if not first:
                start = max(0, stop - int(last))
            else:
                start, stop = int(first), min(stop, int(last) + 1) if last else stop
            if start >= stop:
                self._error(416, "InvalidRange", "The requested range is not satisfiable")
                return
        length = stop - start
        self.send_response(206 if asked else 200)
        self.send_header("Content-Length", str(length))
        if asked:
            self.send_header("Content-Range", f"bytes {start}-{stop - 1}/{stat.st_size}")
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("Content-Type", "application/octet-stream")
        self.send_header("ETag", _etag(stat))
        self.send_header("Last-Modified", formatdate(stat.st_mtime, usegmt=True))
        self.end_headers()
        self.wfile.flush()
        if self.command == "HEAD":
            self.server.count(head=1)
            return
        large, sent = length >= LARGE, length // 2 if cut else length
        self.server.count(get=1, bytes=sent, large=int(large), small=int(not large))
        with self.server.large_read() if large else nullcontext():
            self._send(file, start, sent)
        if cut:
            self.server.count(cut=1)
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)

    def _send(self, file: Path, start: int, length: int) -> None:
        rate = self.server.behaviour.bytes_per_s
        began, sent = time.monotonic(), 0
        with file.open("rb") as source:
            while sent < length:
                count = min(CHUNK if rate else length, length - sent)
                sent += self.connection.sendfile(source, start + sent, count)
                if rate and (ahead := began + sent / rate - time.monotonic()) > 0:
                    time.sleep(ahead)

    def _error(self, status: int, code: str, text: str) -> None:
        body = f"<Error><Code>{code}</Code><Message>{text}</Message></Error>".encode()
        self._answer(status, body, "application/xml")

    def _answer(self, status: int, body: bytes, kind: str = "text/plain") -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)
        self.wfile.flush()

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


def _etag(stat: os.stat_result) -> str:
    return f'"{hashlib.md5(f"{stat.st_size} {stat.st_mtime_ns}".encode()).hexdigest()}"'


class Store:
    """A running store, seen from outside."""

    def __init__(self, url: str) -> None:
        self.url = url

    def behave(self, **behaviour: Any) -> None:
        """From now on; what is not named goes back to its default."""
        assert set(behaviour) <= {field.name for field in fields(Behaviour)}
        body = json.dumps(asdict(Behaviour(**behaviour))).encode()
        urllib.request.urlopen(f"{self.url}/_behave", body).read()

    def counted(self) -> Counter[str]:
        """What came since the start; at_once: the most large reads at once since `behave`; cpu_ms: its own CPU time."""
        return Counter(json.loads(urllib.request.urlopen(f"{self.url}/_counted").read()))

    @property
    def env(self) -> dict[str, str]:
        """What S3 clients want to know."""
        return {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ENDPOINT_URL_S3": self.url,
            "S3_ENDPOINT_URL": self.url,
            "AWS_ACCESS_KEY_ID": "bench",
            "AWS_SECRET_ACCESS_KEY": "bench-secret",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
            "no_proxy": "127.0.0.1",
        }


@contextmanager
def serve(folder: Path, **behaviour: Any) -> Iterator[Store]:
    """A store in a process of its own."""
    server = subprocess.Popen([sys.executable, __file__, str(folder)], stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None
        store = Store(server.stdout.readline().strip())
        store.behave(**behaviour)
        yield store
    finally:
        server.terminate()
        server.wait()


if __name__ == "__main__":
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("folder", type=Path)
    started = _Server(options.parse_args().folder)
    print(f"http://127.0.0.1:{started.server_address[1]}", flush=True)
    started.serve_forever()
