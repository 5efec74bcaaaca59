"""A folder on a web server is listed by the links of its page: the names of its files, whatever they hold."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import pytest

from shards.storage.open import open_source
from tests.shards.http_store import HttpStore


class Page(SimpleHTTPRequestHandler):
    asked: ClassVar[list[str]] = []

    def do_GET(self) -> None:
        self.asked.append(self.path)
        super().do_GET()

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def page(tmp_path: Path) -> Iterator[str]:
    """A folder as the standard library's server lists it."""
    Page.asked = []

    def handler(*arguments: object) -> Page:
        return Page(*arguments, directory=str(tmp_path))  # type: ignore[arg-type]

    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)  # type: ignore[arg-type]
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_listing_gives_the_names_of_the_files_whatever_they_hold(tmp_path: Path, page: str) -> None:
    folder = tmp_path / "a b"
    (folder / "inner").mkdir(parents=True)
    names = ["50%25off.tar", "a b&c.tar", "q?x=1.tar", "h#1.tar", "ü.tar", "<b>.tar", "a%2Fb.tar"]
    for name in names:
        (folder / name).write_bytes(b"x")
    for address in (f"{page}/a%20b", f"{page}/a b/", f"{page}/a%20b?sig=a/b==&x=1"):
        assert open_source(address).list(".tar") == sorted(names)
    assert Page.asked[-1] == "/a%20b/?sig=a/b==&x=1", "as it was given"


def test_a_listing_leads_nowhere_else(store: HttpStore) -> None:
    links = [
        "../up.tar",
        "/data/top.tar",
        "/etc/x.tar",
        "http://evil/data/e.tar",
        "in/ner.tar",
        "..%2fup.tar",
        "a.tar?v=1",
    ]
    links += ["//evil/data/y.tar", f"{store.url}/data/own.tar", "file:///data/f.tar", "%2e%2e", "http://[/", "sub/"]
    page = "".join(f"<A class=x HREF='{link}'>x</A>" for link in links)
    store.files["/data/"] = page.encode()
    assert open_source(f"{store.url}/data").list() == ["a.tar", "own.tar", "top.tar"]
