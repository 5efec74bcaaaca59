"""Files that change while they are read: nothing of two versions is ever put together."""

from __future__ import annotations

import os
import pickle
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import fsspec
import pytest

from shards.base.errors import ChangedFile, DatasetError
from shards.dataset.index.index import Index
from shards.dataset.indexing.indexer import index_tars
from shards.dataset.tars.looks import Looks
from shards.read.reader import Reader
from shards.read.sample import SampleError
from shards.storage.local import LocalSource
from shards.storage.open import open_source
from shards.storage.source import Source, Stat
from tests.shards.foreign_tars import img2dataset_files, write_tar
from tests.shards.http_store import HttpStore
from tests.shards.row_groups import regroup

OLD, NEW = b"0123456789" * 20, b"abcdefghij" * 20
PLACES = ["local", "http", "s3", "memory"]
Put = Callable[[str, bytes], None]


@pytest.fixture
def place(tmp_path: Path, s3_server: Any, use_s3: Callable[..., None]) -> Iterator[Callable[[str], tuple[str, Put]]]:
    """place(kind) -> (address, put(name, bytes)): somewhere files can be replaced."""
    with HttpStore().running() as store:

        def make(kind: str) -> tuple[str, Put]:
            if kind == "local":
                return str(tmp_path), lambda name, data: _write_over(tmp_path / name, data)
            if kind == "http":
                return f"{store.url}/d", lambda name, data: store.files.update({f"/d/{name}": data})
            if kind == "memory":
                files = fsspec.filesystem("memory")
                folder = f"/changed-{tmp_path.name}"
                return f"memory:/{folder}", lambda name, data: files.pipe_file(f"{folder}/{name}", data)
            use_s3(s3_server)
            client, prefix = s3_server.client(), f"changed-{tmp_path.name}"
            return f"s3://{s3_server.bucket}/{prefix}", lambda name, data: client.put_object(
                Bucket=s3_server.bucket, Key=f"{prefix}/{name}", Body=data
            )

        yield make


def _write_over(path: Path, data: bytes) -> None:
    before = path.stat().st_mtime_ns if path.exists() else 0
    path.write_bytes(data)
    if before:
        os.utime(path, ns=(before + 10**9, before + 10**9))  # the clock of the file system may be coarse


@pytest.mark.parametrize("kind", PLACES)
def test_a_file_that_was_replaced_by_one_of_the_same_size_is_not_read_on(
    place: Callable[[str], tuple[str, Put]], kind: str
) -> None:
    url, put = place(kind)
    put("a.tar", OLD)
    source = open_source(url)
    assert source.read("a.tar", 0, 10) == OLD[:10]
    copy: Source = pickle.loads(pickle.dumps(source))
    put("a.tar", NEW)
    for reader in (source, copy):
        with pytest.raises(ChangedFile, match=r"a\.tar: changed while it was being read \(200 bytes.*; .*start again"):
            reader.read("a.tar", 10, 10)
        with pytest.raises(ChangedFile, match="changed while it was being read"):
            reader.read_many([("a.tar", 20, 10)])
    assert open_source(url).read("a.tar", 10, 10) == NEW[10:20]


@pytest.mark.parametrize("kind", ["http", "s3", "memory"])
def test_a_file_that_got_shorter_is_not_taken_for_one_that_ends(
    place: Callable[[str], tuple[str, Put]], kind: str
) -> None:
    url, put = place(kind)
    put("a.tar", OLD)
    source = open_source(url)
    source.read("a.tar", 0, 10)
    put("a.tar", OLD[:50])
    with pytest.raises(ChangedFile, match="changed while it was being read"):
        source.read("a.tar", 100, 10)


def test_parts_of_a_download_are_of_one_version(place: Callable[[str], tuple[str, Put]]) -> None:
    url, put = place("http")
    put("a.tar", OLD)
    source: Any = open_source(url)
    pieces: list[bytes] = []
    source.fetch("a.tar", 0, 100, lambda offset, data: pieces.append(data))
    put("a.tar", NEW)
    with pytest.raises(ChangedFile):
        source.fetch("a.tar", 100, 100, lambda offset, data: pieces.append(data))
    assert b"".join(pieces) == OLD[:100]


def test_a_local_file_that_was_renamed_over_is_read_on_while_it_is_open(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(OLD)
    source = LocalSource(str(tmp_path))
    source.read("a", 0, 1)
    (tmp_path / "b").write_bytes(NEW)
    os.utime(tmp_path / "b", ns=(1, 1))
    os.replace(tmp_path / "b", tmp_path / "a")
    assert source.read("a", 10, 10) == OLD[10:20]
    with pytest.raises(ChangedFile):
        pickle.loads(pickle.dumps(source)).read("a", 0, 1)


# ------------------------------------------------------------ datasets that are indexed again while they are read


def _grow(folder: Path, shards: int, mark: str) -> None:
    for number in range(shards):
        write_tar(folder / f"{number:05}.tar", img2dataset_files([f"{mark}{number}{i:03}" for i in range(40)]))


def _index_for_many_reads(folder: Path, looks: Looks) -> None:
    """Index a folder so that the rows of each shard are a request of their own."""
    index_tars(str(folder), looks=looks)
    regroup(folder, 40, gap=1 << 20)


@pytest.mark.parametrize("kind", PLACES)
@pytest.mark.parametrize("headers", [False, True])
def test_a_dataset_that_is_indexed_again_is_read_as_it_was_or_stops(
    place: Callable[[str], tuple[str, Put]], tmp_path: Path, kind: str, headers: bool
) -> None:
    url, put = place(kind)
    folder = Path(url) if kind == "local" else tmp_path / "made"
    folder.mkdir(exist_ok=True)

    def publish() -> None:
        _index_for_many_reads(folder, Looks(checksums=not headers))
        for file in sorted(folder.iterdir()) if kind != "local" else ():
            put(file.name, file.read_bytes())

    _grow(folder, 12, "old")
    publish()
    reader = Reader("toy", url, "sample")
    assert reader.origin_of(0, 0).key == "old0000"
    reader.fetch([0], [0])
    _grow(folder, 14, "new")
    publish()
    keys = []
    try:
        for shard in range(12):
            for one in reader.fetch([shard], [3]):
                if isinstance(one, SampleError):
                    raise one
            keys.append(reader.origin_of(shard, 3).key)
    except DatasetError as error:
        assert "changed while it was being read" in str(error) and "start again" in str(error)
    except SampleError as error:
        assert "is damaged: checksum" in str(error)
    assert all(key.startswith("old") for key in keys)
    assert Reader("toy", url, "sample").origin_of(13, 0).key == "new13000"


def test_an_index_that_is_gone_from_under_its_reader_says_so(
    place: Callable[[str], tuple[str, Put]], tmp_path: Path
) -> None:
    url, put = place("http")
    folder = tmp_path / "made"
    folder.mkdir()
    _grow(folder, 12, "old")
    _index_for_many_reads(folder, Looks(checksums=False))
    for file in folder.iterdir():
        put(file.name, file.read_bytes())
    opened = Index.open(open_source(url))
    put("index.parquet", b"")
    with pytest.raises(DatasetError, match=r"index\.parquet: changed while it was being read.*start again"):
        opened.rows(7)
    with pytest.raises(DatasetError, match="changed while it was being read"):
        opened.prefetch([8, 9])


class _SaysLess(BaseHTTPRequestHandler):
    """Some servers give a range without the headers of the whole file."""

    data = bytes(range(256)) * 8

    def do_GET(self) -> None:
        first, _, last = self.headers.get("Range", "bytes=0-").removeprefix("bytes=").partition("-")
        begin = int(first or 0) if first else max(0, len(self.data) - int(last))
        piece = self.data[begin : int(last) + 1 if first and last else None]
        self.send_response(206 if "Range" in self.headers else 200)
        self.send_header("Content-Length", str(len(piece)))
        if "Range" in self.headers:
            self.send_header("Content-Range", f"bytes {begin}-{begin + len(piece) - 1}/{len(self.data)}")
        else:
            self.send_header("Last-Modified", "Sun, 29 Nov 2026 12:00:00 GMT")
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(piece)

    do_HEAD = do_GET

    def log_message(self, format: str, *arguments: object) -> None:
        pass


def test_a_server_that_says_less_with_a_range_is_read() -> None:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _SaysLess)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    source = open_source(f"http://127.0.0.1:{server.server_address[1]}/x")
    try:
        assert source.stat("a").size == len(_SaysLess.data)
        for number in (0, 40, 7):
            assert source.read("a", number, 9) == _SaysLess.data[number : number + 9]
        assert source.read("a", -5) == _SaysLess.data[-5:]
        assert source.stat_many(["a"])[0].size == len(_SaysLess.data)
    finally:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize(
    ("one", "other", "may_be"),
    [
        ("ETag=a", "ETag=a", True),
        ("ETag=a", "ETag=b", False),
        ('ETag=W/"a"', 'ETag="a"', True),
        ("ETag=a", "Last-Modified=x", True),
        ("", "ETag=a", True),
        ("Last-Modified=x", "Last-Modified=y", False),
    ],
)
def test_only_what_both_answers_say_is_compared(one: str, other: str, may_be: bool) -> None:
    assert Stat(5, one).may_be(Stat(5, other)) == may_be == Stat(5, other).may_be(Stat(5, one))
    assert not Stat(5, one).may_be(Stat(6, other))
