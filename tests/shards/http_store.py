"""A small HTTP store on this machine: ranges, ETags, and one fault after the other, as a test orders them."""

from __future__ import annotations

import re
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

from shards.storage.stores.store import Waits
from tests.shards.far_folder import WAIT

HURRY = Waits(pause=0.001, throttled=0.01, unlikely=0.2, warning=0.0)
"""For a source that tries again soon, and tells of each failure."""
ONCE = HURRY._replace(pause=1e9, longest=1e9)
"""For a source that gives up after one attempt: the pause before another would end behind any deadline."""


class HttpStore:
    """Files by path. faults: what the next requests get instead of an answer; when it is empty, all is well.

    A number: that status. "cut": half of the body; "short": half of the body, said to be all of the range; "hang":
    nothing; "drip": a byte at a time, slowly; "plain": the whole file, whatever range; "compressed".
    """

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.faults: deque[int | str] = deque()
        self.headers: dict[str, str] = {}
        self.body = b""
        """Both are sent with faults that are numbers."""
        self.requests: list[tuple[str, str, str | None]] = []
        """(method, path with query, range)"""
        self.most_at_once = 0
        self.gate: Callable[..., threading.Barrier | threading.Event | None] = lambda method, path, range_: None
        """Which requests wait until how many have come, or for what."""
        self.closing = threading.Event()
        self._now = 0
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def hold(self, folder: Path, under: str = "") -> None:
        """The files of a folder, and no others."""
        self.files = {f"{under}/{file.name}": file.read_bytes() for file in folder.iterdir() if file.is_file()}

    @contextmanager
    def running(self) -> Iterator[HttpStore]:
        thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield self
        finally:
            self.closing.set()
            self._server.shutdown()
            thread.join()
            self._server.server_close()

    def _handler(store) -> type[BaseHTTPRequestHandler]:
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_GET(self) -> None:
                with store._lock:
                    store.requests.append((self.command, self.path, self.headers.get("Range")))
                    store._now += 1
                    store.most_at_once = max(store.most_at_once, store._now)
                    fault = store.faults.popleft() if store.faults else None
                try:
                    gate = store.gate(self.command, self.path, self.headers.get("Range", ""))
                    if gate is not None:
                        gate.wait(WAIT)
                    self._answer(fault)
                except (BrokenPipeError, ConnectionResetError):
                    self.close_connection = True
                finally:
                    with store._lock:
                        store._now -= 1

            do_HEAD = do_GET

            def _answer(self, fault: int | str | None) -> None:
                data = store.files.get(urlsplit(self.path).path)
                if fault == "hang":
                    store.closing.wait()
                    self.close_connection = True
                    return
                if isinstance(fault, int) or data is None:
                    self.send_response(fault if isinstance(fault, int) else 404)
                    for name, value in store.headers.items():
                        self.send_header(name, value)
                    self.send_header("Content-Length", str(len(store.body)))
                    self.end_headers()
                    if self.command != "HEAD":
                        self.wfile.write(store.body)
                    return
                version = f'"{hash(data) & 0xFFFFFFFF:08x}"'
                size = len(data)
                first, last = 0, size - 1
                wanted = re.fullmatch(r"bytes=(\d*)-(\d*)", self.headers.get("Range", ""))
                if wanted and fault != "plain":
                    if wanted[1]:
                        first, last = int(wanted[1]), min(last, int(wanted[2] or last))
                    else:
                        first = max(0, size - int(wanted[2]))
                    if first >= size:
                        self.send_response(416)
                        self.send_header("Content-Range", f"bytes */{size}")
                        self.send_header("Content-Length", "0")
                        self.end_headers()
                        return
                    if fault == "short":
                        last = (first + last) // 2
                    self.send_response(206)
                    self.send_header("Content-Range", f"bytes {first}-{last}/{size}")
                else:
                    self.send_response(200)
                body = data[first : last + 1]
                self.send_header("Content-Length", str(len(body)))
                self.send_header("ETag", version)
                self.send_header("Last-Modified", formatdate(1e9, usegmt=True))
                if fault == "compressed":
                    self.send_header("Content-Encoding", "gzip")
                self.end_headers()
                if self.command == "HEAD":
                    return
                if fault == "drip":
                    for byte in body:
                        self.wfile.write(bytes([byte]))
                        if store.closing.wait(0.05):
                            break
                elif fault == "cut":
                    self.wfile.write(body[: len(body) // 2])
                    self.close_connection = True
                else:
                    self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:
                pass

        return Handler
