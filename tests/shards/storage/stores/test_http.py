"""A folder on a web server: ranges, sizes, and what is sent along."""

from __future__ import annotations

import pickle
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from shards.base.errors import MissingFile, SourceError
from shards.storage.open import open_source
from shards.storage.remote import RemoteSource
from tests.shards.http_store import HURRY, ONCE, HttpStore
from tests.shards.storage.conftest import DATA, source_at


class RangeHandler(SimpleHTTPRequestHandler):
    """Serves byte ranges when the path asks for it; the standard library's handler never does."""

    def do_GET(self) -> None:
        data = (Path(self.directory) / "a.bin").read_bytes()
        if not self.path.endswith("a.bin"):
            return self.send_error(404)
        if "ranges" in self.path and "Range" in self.headers:
            first, last = map(int, self.headers["Range"].removeprefix("bytes=").split("-"))
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {first}-{last}/{len(data)}")
            data = data[first : last + 1]
        else:
            self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: object) -> None:
        pass


def test_http_reads_ranges_and_a_server_without_them_is_named(tmp_path: Path) -> None:
    pytest.importorskip("aiohttp")
    (tmp_path / "a.bin").write_bytes(bytes(range(200)))
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(RangeHandler, directory=str(tmp_path)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        url = f"http://127.0.0.1:{server.server_address[1]}"
        assert open_source(f"{url}/ranges").read("a.bin", 10, 20) == bytes(range(10, 30))
        with pytest.raises(SourceError, match=r"a\.bin: the server ignores byte ranges"):
            open_source(f"{url}/plain").read("a.bin", 10, 20)
        with pytest.raises(MissingFile, match=r"b\.bin: not found"):
            open_source(f"{url}/plain").read("b.bin", 10, 20)
    finally:
        server.shutdown()
        server.server_close()


def test_size_without_head(store: HttpStore) -> None:
    source = source_at(store)
    store.faults.append(405)
    assert source.stat("a.tar").size == len(DATA)
    store.faults.append(405)
    assert source.stat("empty").size == 0


@pytest.mark.parametrize("offset", [0, 10])
def test_a_server_that_ignores_ranges_is_refused(store: HttpStore, offset: int) -> None:
    source = source_at(store)
    length = len(DATA) if offset else 10  # where all bytes are as many as were asked for, they are still others
    store.faults.append("plain")
    with pytest.raises(SourceError, match=r"a\.tar: the server ignores byte ranges; use one that serves them"):
        source.read("a.tar", offset, length)
    store.faults.append("plain")
    assert source.read("a.tar", 0, 9999) == DATA, "the whole file is a good answer to more than all of it"
    store.faults.append("compressed")
    with pytest.raises(SourceError, match=r"a\.tar: the server sends it compressed"):
        source.read("a.tar", offset, 5)


def test_signatures_and_passwords_go_with_requests_and_never_into_messages(
    store: HttpStore, caplog: pytest.LogCaptureFixture
) -> None:
    source = RemoteSource(f"{store.url.replace('://', '://me:HIDDEN@')}/data?sig=HIDDEN", waits=HURRY)
    store.faults.append(500)
    assert source.read("a.tar", 0, 5) == DATA[:5]
    assert store.requests[-1][1] == "/data/a.tar?sig=HIDDEN"
    assert pickle.loads(pickle.dumps(source)).read("a.tar", 0, 5) == DATA[:5]
    assert "HIDDEN" not in source.url
    source = RemoteSource(source.address, waits=ONCE)
    for fault in (403, 404, 400, 500, "cut"):
        store.faults.extend([fault] * 1000)
        with pytest.raises(SourceError) as error:
            source.read("a.tar", 0, 500)
        store.faults.clear()
        seen: BaseException | None = error.value
        while seen is not None:
            assert "HIDDEN" not in str(seen)
            seen = seen.__cause__
    assert "trying again" in caplog.text and "HIDDEN" not in caplog.text


def test_names_with_odd_characters_are_asked_for_as_they_are(store: HttpStore) -> None:
    for name, path in {"a b": "a%20b", "a?b": "a%3Fb", "a#b": "a%23b", "ä": "%C3%A4", "a%20c": "a%2520c"}.items():
        store.files[f"/{path}"] = DATA
        assert RemoteSource(store.url).read(name, 1, 3) == DATA[1:4]
