"""Where a redirect leads: to the same host, or where the user said so."""

from __future__ import annotations

import base64
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from shards.base.errors import SourceError
from shards.storage.open import open_source
from shards.storage.stores.redirects import redirected
from shards.storage.stores.request_failed import RequestFailed
from tests.shards.http_store import HttpStore
from tests.shards.storage.conftest import DATA


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


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_to_another_port_is_followed_only_where_the_user_said_so(
    redirector: Redirector, store: HttpStore, status: int
) -> None:
    redirector.to, redirector.status = f"{store.url}/data", status
    for ask in (lambda s: s.read("a.tar", 0, 4), lambda s: s.stat("a.tar"), lambda s: s.list()):
        with pytest.raises(
            SourceError, match=rf"redirects to another host \({store.url}\); .*roots: .*--root {store.url}"
        ):
            ask(open_source(f"{redirector.url}/from"))
    assert not store.requests
    source = open_source(f"{redirector.url.replace('://', '://me:pw@')}/from?sig=x", [f"{store.url}/data"])
    assert source.read("a.tar", 2, 3) == DATA[2:5] and source.stat("a.tar").size == len(DATA)
    assert store.requests[0][1:] == ("/data/a.tar?sig=x", "bytes=2-4"), "what the first server sends along"
    with pytest.raises(SourceError, match="redirects to another host"):
        open_source(f"{redirector.url}/from", [f"{store.url}/dat"]).read("a.tar", 0, 4)


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


def test_https_is_not_left_and_may_be_come_to() -> None:
    assert redirected("http://me:pw@h/a", "https://h/a?b#c") == "https://me:pw@h/a?b"
    assert redirected("https://h/a/b", "../c") == "https://h/c"
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
        with pytest.raises(RequestFailed, match="redirects to another host"):
            redirected(address, location)
    assert redirected("https://u:p@h/a", "http://cdn/x/a", ["http://you:q@cdn/x?sig=1"]) == "http://you:q@cdn/x/a"
