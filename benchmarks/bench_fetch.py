"""What does fetching many small files cost this machine?

    python benchmarks/bench_fetch.py [--files 2000] [--bytes 20000]

A web server in a process of its own gives a JPEG of --bytes to every address. Told are files a second and CPU
milliseconds a file of the process that fetches, for files that are missing, and again for the same list when all of
them are there.
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import tempfile
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from tools.fetch.fetch import fetch_media
from tools.fetch.politeness import Manners


def serve(port: Any, num_bytes: int) -> None:
    """Serve until the process ends; its port is put into `port`."""
    body = b"\xff\xd8\xff\xe0" + bytes(num_bytes - 4)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: Any) -> None:
            pass

        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    port.value = server.server_address[1]
    server.serve_forever()


def main() -> None:
    """Print two lines."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=2000)
    parser.add_argument("--bytes", type=int, default=20_000)
    options = parser.parse_args()
    context = multiprocessing.get_context("spawn")
    port = context.Value("i", 0)
    server = context.Process(target=serve, args=(port, options.bytes), daemon=True)
    server.start()
    while not port.value:
        time.sleep(0.01)
    manners = Manners(delay=0, per_host=16)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "list.tsv")
        path.write_text("".join(f"c\thttp://127.0.0.1:{port.value}/{row}.jpg\n" for row in range(options.files)))
        for what in ("missing", "there"):
            begin, cpu = time.monotonic(), time.process_time()
            report = fetch_media("cc3m", path, Path(folder, "out"), manners=manners, named={"127.0.0.1"})
            seconds, spent = time.monotonic() - begin, time.process_time() - cpu
            assert report.num_fetched + report.num_there == options.files, report
            each = f"{options.files / seconds:,.0f} files/s, {1000 * spent / options.files:.3f} CPU ms a file"
            print(f"{what:8} {each}, {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB at most")
    server.kill()


if __name__ == "__main__":
    main()
