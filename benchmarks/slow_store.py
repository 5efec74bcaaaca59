"""A store for benchmarks: S3's GET and HEAD of objects of any size, with latency, bandwidth and answers that hang.

    python benchmarks/slow_store.py LATENCY_SECONDS BYTES_PER_SECOND SHARE_THAT_HANGS HANG_SECONDS

Prints its port and serves until it is killed. /BUCKET/NAME-SIZE has SIZE bytes; signatures are not looked at. A
bandwidth of 0 is none. Every connection has a thread; bytes come from one block in memory, so it takes little CPU.
"""

from __future__ import annotations

import random
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

BLOCK = memoryview(random.Random(0).randbytes(1 << 26))
_PIECE = 1 << 18


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    latency = bandwidth = hangs = hang_seconds = 0.0
    draw = random.Random(1)
    lock = threading.Lock()

    def do_GET(self) -> None:
        start = time.perf_counter()
        found = re.search(r"-(\d+)$", self.path.split("?")[0])
        size = int(found[1]) if found else 0
        wanted = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        first, last = (int(wanted[1]), min(size - 1, int(wanted[2] or size - 1))) if wanted else (0, size - 1)
        with self.lock:
            hangs = self.draw.random() < self.hangs
        time.sleep(self.latency + (self.hang_seconds if hangs else 0))
        self.send_response(206 if wanted else 200)
        if wanted:
            self.send_header("Content-Range", f"bytes {first}-{last}/{size}")
        self.send_header("Content-Length", str(last - first + 1))
        self.send_header("ETag", '"0"')
        self.send_header("Last-Modified", "Thu, 01 Jan 2026 00:00:00 GMT")
        self.end_headers()
        if self.command == "HEAD":
            return
        start, sent, total = time.perf_counter(), 0, last - first + 1
        while sent < total:
            at = (first + sent) % len(BLOCK)
            piece = BLOCK[at : at + min(_PIECE, total - sent)]
            self.wfile.write(piece)
            sent += len(piece)
            if self.bandwidth:
                time.sleep(max(0.0, sent / self.bandwidth - (time.perf_counter() - start)))

    do_HEAD = do_GET

    def log_message(self, format: str, *args: object) -> None:
        pass


@contextmanager
def slow_store(latency: float = 0, bandwidth: float = 0, hangs: float = 0, hang_seconds: float = 0) -> Iterator[str]:
    """Run one in a process of its own; gives its address."""
    command = [sys.executable, __file__, *map(str, (latency, bandwidth, hangs, hang_seconds))]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield f"http://127.0.0.1:{int(process.stdout.readline())}"
        finally:
            process.kill()


if __name__ == "__main__":
    Handler.latency, Handler.bandwidth, Handler.hangs, Handler.hang_seconds = map(float, sys.argv[1:])
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.request_queue_size = 256
    print(server.server_address[1], flush=True)
    server.serve_forever()
