"""A folder on a web server: where redirects lead, what a listing says, what is sent along."""

from __future__ import annotations

import base64
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import pytest

from shards.base.errors import SourceError
from shards.storage.http import WebStore
from shards.storage.open import open_source
from shards.storage.request_failed import Failure
from tests.shards.http_store import HttpStore


class Redirector:
    """Answers what begins with /from with a redirect to `to` and the rest of the path."""

    def __init__(self) -> None:
        self.to, self.status = "", 302
        self.seen: list[tuple[str, str | None]] = []
        """(path, Authorization)"""
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.seen.append((self.path, self.headers.get("Authorization")))
                self.send_response(outer.status if self.path.startswith("/from") else 404)
                self.send_header("Location", outer.to + self.path.removeprefix("/from"))
                self.send_header("Content-Length", "0")
                self.end_headers()

            do_HEAD = do_GET

            def log_message(self, format: str, *args: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"


@pytest.fixture
def redirector() -> Iterator[Redirector]:
    made = Redirector()
    thread = threading.Thread(target=made.server.serve_forever, args=(0.05,))
    thread.start()
    yield made
    made.server.shutdown()
    thread.join()
    made.server.server_close()


@pytest.fixture
def other() -> Iterator[HttpStore]:
    with HttpStore().running() as store:
        store.files["/data/a.tar"] = b"0123456789"
        yield store


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_to_another_port_is_followed_only_where_the_user_said_so(
    redirector: Redirector, other: HttpStore, status: int
) -> None:
    redirector.to, redirector.status = f"{other.url}/data", status
    for ask in (lambda s: s.read("a.tar", 0, 4), lambda s: s.stat("a.tar"), lambda s: s.list()):
        with pytest.raises(
            SourceError, match=rf"redirects to another host \({other.url}\); .*roots: .*--root {other.url}"
        ):
            ask(open_source(f"{redirector.url}/from"))
    assert not other.requests
    source = open_source(f"{redirector.url.replace('://', '://me:pw@')}/from?sig=x", [f"{other.url}/data"])
    assert source.read("a.tar", 2, 3) == b"234" and source.stat("a.tar").size == 10
    assert other.requests[0][1:] == ("/data/a.tar?sig=x", "bytes=2-4"), "what the first server sends along"
    with pytest.raises(SourceError, match="redirects to another host"):
        open_source(f"{redirector.url}/from", [f"{other.url}/dat"]).read("a.tar", 0, 4)


def test_a_password_does_not_go_along_to_another_host(redirector: Redirector) -> None:
    there = Redirector()
    thread = threading.Thread(target=there.server.serve_forever, args=(0.05,))
    thread.start()
    try:
        redirector.to = there.url
        with pytest.raises(SourceError, match="not found"):
            open_source(f"{redirector.url.replace('://', '://me:pw@')}/from", [there.url]).stat("a.tar")
        with pytest.raises(SourceError, match="not found"):
            open_source(f"{redirector.url}/from", [there.url.replace("://", "://you:p%2Fw@")]).stat("a.tar")
        assert redirector.seen[0][1] == "Basic " + base64.b64encode(b"me:pw").decode()
        assert [login for _, login in there.seen] == [None, "Basic " + base64.b64encode(b"you:p/w").decode()]
    finally:
        there.server.shutdown()
        thread.join()
        there.server.server_close()


@pytest.mark.parametrize(
    "to",
    [
        "file:///etc",
        "FILE:///etc",
        "local:///etc",
        "ftp://127.0.0.1/x",
        "s3://bucket",
        "data:,x",
        "http://[",
        "gopher://x",
    ],
)
def test_a_redirect_to_what_is_no_web_address_is_refused(redirector: Redirector, to: str) -> None:
    redirector.to = to
    with pytest.raises(SourceError, match=r"redirects to .*, where nothing is read; use another server"):
        open_source(f"{redirector.url}/from", ["/", "file:///", to[:20] if "[" not in to else "/"]).read("a.tar", 0, 4)


def test_a_redirect_on_the_same_host_is_followed_and_a_circle_ends(redirector: Redirector) -> None:
    redirector.to = "/elsewhere"
    with pytest.raises(SourceError, match=r"from/a\.tar: not found"):
        open_source(f"{redirector.url}/from").stat("a.tar")
    assert [path for path, _ in redirector.seen] == ["/from/a.tar", "/elsewhere/a.tar"]
    redirector.to = "/from"
    with pytest.raises(SourceError, match="redirects more than 10 times"):
        open_source(f"{redirector.url}/from").stat("a.tar")


def _redirected(address: str, location: str, *roots: str) -> str:
    return WebStore(address, roots)._redirected(address, location)


def test_https_is_not_left_and_may_be_come_to() -> None:
    assert _redirected("http://me:pw@h/a", "https://h/a?b#c") == "https://me:pw@h/a?b"
    assert _redirected("https://h/a/b", "../c") == "https://h/c"
    for address, location in (
        ("https://h/a", "http://h/a"),
        ("https://h:443/a", "http://h:443/a"),
        ("http://h:8080/a", "https://h/a"),
        ("https://h/a", "//evil/a"),
        ("https://h/a", "https://h@evil/a"),
        ("https://h/a", "https://h.evil/a"),
        ("https://h/a", "https://h:8443/a"),
        ("http://127.0.0.1/a", "http://169.254.169.254/latest/meta-data"),
    ):
        with pytest.raises(Failure, match="redirects to another host"):
            _redirected(address, location)
    assert _redirected("https://u:p@h/a", "http://cdn/x/a", "http://you:q@cdn/x?sig=1") == "http://you:q@cdn/x/a"


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


def test_a_listing_leads_nowhere_else(other: HttpStore) -> None:
    links = [
        "../up.tar",
        "/data/top.tar",
        "/etc/x.tar",
        "http://evil/data/e.tar",
        "in/ner.tar",
        "..%2fup.tar",
        "a.tar?v=1",
    ]
    links += ["//evil/data/y.tar", f"{other.url}/data/own.tar", "file:///data/f.tar", "%2e%2e", "http://[/", "sub/"]
    page = "".join(f"<A class=x HREF='{link}'>x</A>" for link in links)
    other.files["/data/"] = page.encode()
    assert open_source(f"{other.url}/data").list() == ["a.tar", "own.tar", "top.tar"]
