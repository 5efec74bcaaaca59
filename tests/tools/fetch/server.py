"""A real web server on loopback that behaves as servers do: well, slowly, badly; it notes every request.

The first part of a path names the behaviour, the last the file: /ok/a.jpg.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple
from urllib.parse import parse_qs, urlsplit


class Asked(NamedTuple):
    """A request as it came."""

    path: str
    range: str
    agent: str
    time: float


class Site:
    """What the server has, and what it was asked."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.files: dict[str, bytes] = {}
        self.asked: list[Asked] = []
        self.counts: Counter[str] = Counter()
        self.now = self.most = 0
        """Requests under way just now, and the most there were."""
        self.gate = threading.Event()
        """Held answers go on when it is set."""
        self.lock = threading.Lock()


def _handler(site_of: list[Site]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: Any) -> None:
            pass

        def do_GET(self) -> None:
            site = site_of[0]
            parts = urlsplit(self.path)
            kind, name = parts.path.split("/")[1], parts.path.rpartition("/")[2]
            with site.lock:
                site.asked.append(
                    Asked(parts.path, self.headers.get("Range", ""), self.headers["User-Agent"], time.monotonic())
                )
                site.counts[parts.path] += 1
                count = site.counts[parts.path]
                site.now += 1
                site.most = max(site.most, site.now)
            try:
                getattr(self, f"say_{kind}")(site, name, count, parse_qs(parts.query))
            except (BrokenPipeError, ConnectionResetError):
                self.close_connection = True
            finally:
                with site.lock:
                    site.now -= 1

        def say(self, status: int, body: bytes, **headers: str) -> None:
            self.send_response(status)
            headers = {"Content-Length": str(len(body))} | {k.replace("_", "-"): v for k, v in headers.items()}
            for key, value in headers.items():
                self.send_header(key, value)
            self.end_headers()
            self.wfile.write(body)

        def ranged(self, data: bytes, tag: str, stop: int | None = None) -> None:
            """The file, or the range of it that is asked for; cut before byte `stop`."""
            start = 0
            asked = self.headers.get("Range", "")
            if asked and self.headers.get("If-Range") == tag:
                start = int(asked.removeprefix("bytes=").rstrip("-"))
                if start >= len(data):
                    self.say(416, b"", Content_Range=f"bytes */{len(data)}")
                    return
                self.send_response(206)
                self.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
            else:
                self.send_response(200)
            self.send_header("ETag", tag)
            self.send_header("Content-Length", str(len(data) - start))
            self.end_headers()
            self.wfile.write(data[start:stop])
            if stop is not None:
                self.wfile.flush()
                self.close_connection = True

        def say_ok(self, site: Site, name: str, count: int, query: Any) -> None:
            self.ranged(site.files[name], '"1"')

        def say_cut(self, site: Site, name: str, count: int, query: Any) -> None:
            half = len(site.files[name]) // 2
            self.ranged(site.files[name], '"1"', half if count == 1 else None)

        def say_everycut(self, site: Site, name: str, count: int, query: Any) -> None:
            self.ranged(site.files[name], '"1"', 10)

        def say_halves(self, site: Site, name: str, count: int, query: Any) -> None:
            """Another version each time, of which half comes."""
            self.ranged(site.files[name], f'"{count}"', len(site.files[name]) // 2)

        def say_changed(self, site: Site, name: str, count: int, query: Any) -> None:
            data = site.files[name]
            if count == 1:
                self.ranged(data[::-1], '"old"', len(data) // 2)
            else:
                self.ranged(data, '"new"')

        def say_plain(self, site: Site, name: str, count: int, query: Any) -> None:
            """No validator, no ranges, the first answer is cut."""
            data = site.files[name]
            self.send_response(200)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data[: len(data) // 2] if count == 1 else data)
            self.close_connection = count == 1

        def say_otherrange(self, site: Site, name: str, count: int, query: Any) -> None:
            data = site.files[name]
            if count == 1:
                self.ranged(data, '"1"', len(data) // 2)
            elif count == 2:
                self.say(206, data[5:], Content_Range=f"bytes 5-{len(data) - 1}/{len(data)}", ETag='"1"')
            else:
                self.ranged(data, '"1"')

        def say_status(self, site: Site, name: str, count: int, query: Any) -> None:
            self.say(int(name.partition(".")[0]), b"<html>no</html>")

        def say_busy(self, site: Site, name: str, count: int, query: Any) -> None:
            if count == 1:
                self.say(429, b"", Retry_After=query["for"][0])
            else:
                self.ranged(site.files[name], '"1"')

        def say_failing(self, site: Site, name: str, count: int, query: Any) -> None:
            if count < 3:
                self.say(500, b"")
            else:
                self.ranged(site.files[name], '"1"')

        def say_page(self, site: Site, name: str, count: int, query: Any) -> None:
            self.say(200, b"<!DOCTYPE html><html>Sorry, this video is gone</html>", Content_Type="video/mp4")

        def say_empty(self, site: Site, name: str, count: int, query: Any) -> None:
            self.say(200, b"")

        def say_gzip(self, site: Site, name: str, count: int, query: Any) -> None:
            self.say(200, b"\x1f\x8b....", Content_Encoding="gzip")

        def say_to(self, site: Site, name: str, count: int, query: Any) -> None:
            self.say(302, b"", Location=query["to"][0])

        def say_circle(self, site: Site, name: str, count: int, query: Any) -> None:
            self.say(307, b"", Location=self.path)

        def say_chunked(self, site: Site, name: str, count: int, query: Any) -> None:
            self.send_response(200)
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            for piece in (site.files[name][:100], site.files[name][100:]):
                self.wfile.write(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
            if count > 1:
                self.wfile.write(b"0\r\n\r\n")
            self.close_connection = count == 1

        def say_held(self, site: Site, name: str, count: int, query: Any) -> None:
            """Half of the file; the rest when the gate is open."""
            data = site.files[name]
            start = int(self.headers["Range"][6:-1]) if self.headers.get("If-Range") == '"1"' else 0
            self.send_response(206 if start else 200)
            if start:
                self.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
            self.send_header("ETag", '"1"')
            self.send_header("Content-Length", str(len(data) - start))
            self.end_headers()
            middle = max(start, len(data) // 2)
            self.wfile.write(data[start:middle])
            self.wfile.flush()
            site.gate.wait(60)
            self.wfile.write(data[middle:])

    return Handler


@contextmanager
def serving() -> Iterator[Site]:
    """A server on a free port."""
    sites: list[Site] = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(sites))
    server.daemon_threads = True
    sites.append(Site(server.server_address[1]))
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield sites[0]
    finally:
        sites[0].gate.set()
        server.shutdown()
        server.server_close()
        thread.join()
