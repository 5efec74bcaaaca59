"""Local folders and fsspec URLs answer alike, and say clearly what they cannot do."""

from __future__ import annotations

import pickle
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from shards.base.errors import AccessDenied, MissingFile
from shards.storage.open import open_source
from shards.storage.remote import RemoteSource
from shards.storage.source import Source
from tests.shards.conftest import REPOSITORY


@pytest.fixture(params=["local", "file", "memory"])
def source(request: pytest.FixtureRequest, tmp_path: Path) -> Source:
    files = {"b.tar": bytes(range(256)) * 4, "a.tar": b"", "c.json": b"{}"}
    if request.param == "memory":
        fsspec = pytest.importorskip("fsspec")
        url = f"memory://{tmp_path.name}"
        for name, data in files.items():
            fsspec.filesystem("memory").pipe_file(f"/{tmp_path.name}/{name}", data)
        return open_source(url)
    folder = tmp_path / "a folder with späces"
    (folder / "inner.tar").mkdir(parents=True)
    for name, data in files.items():
        (folder / name).write_bytes(data)
    return open_source(folder if request.param == "local" else folder.as_uri())


def test_lists_files_sorted_by_suffix(source: Source) -> None:
    assert source.list() == ["a.tar", "b.tar", "c.json"]
    assert source.list(".tar") == ["a.tar", "b.tar"]


def test_reads_ranges(source: Source) -> None:
    whole = bytes(range(256)) * 4
    assert source.stat("b.tar").size == 1024
    assert source.read("b.tar") == whole
    assert source.read("b.tar", 100, 10) == whole[100:110]
    assert source.read("b.tar", 1000, 100) == whole[1000:]
    assert source.read("b.tar", 1000) == whole[1000:]
    assert source.read("b.tar", 5, 0) == b""
    assert source.read("a.tar") == b""


def test_a_missing_file_is_named(source: Source) -> None:
    for ask in (source.stat, source.read):
        with pytest.raises(MissingFile, match=r"nothing\.tar: not found"):
            ask("nothing.tar")


@pytest.mark.parametrize("name", ["../x", "/etc/passwd", "", "..", ".", "a/b", "a\\b", "a\0b"])
def test_names_cannot_leave_the_folder(source: Source, name: str) -> None:
    with pytest.raises(ValueError, match="is not a plain file name"):
        source.read(name)
    with pytest.raises(ValueError, match="is not a plain file name"):
        source.stat(name)


def test_is_shared_by_threads_and_survives_pickling(source: Source) -> None:
    with ThreadPoolExecutor(8) as pool:
        parts = list(pool.map(lambda i: source.read("b.tar", i, 3), range(1000)))
    whole = source.read("b.tar")
    assert parts == [whole[i : i + 3] for i in range(1000)]
    if source.url.startswith("memory"):  # shared by the process
        assert pickle.loads(pickle.dumps(source)).read("b.tar") == whole


FORKS = """
import asyncio, os, time
from fsspec import asyn
from shards.storage.open import open_source

source = open_source("s3://bucket/fork")
assert source.read("a.bin") == b"hello"
loop = asyn.loop[0]
asyncio.run_coroutine_threadsafe(loop.shutdown_default_executor(), loop).result()
loop.call_soon_threadsafe(loop.stop)
asyn.iothread[0].join()
while len(os.listdir("/proc/self/task")) > 1:  # a thread that was joined leaves the system a little later
    time.sleep(0.001)
child = os.fork()
if not child:
    print(source.read("a.bin"), source.traffic.snapshot()["range"], flush=True)
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
"""
"""The loop of the parent's client ends before the fork: no thread holds a lock that the child would wait for."""


def test_s3_reads_also_after_a_fork(s3_server: object, s3_login: Callable[[str, str], None]) -> None:
    s3_login(s3_server.key, s3_server.secret)  # type: ignore[attr-defined]
    import s3fs

    s3fs.S3FileSystem(skip_instance_cache=True).pipe_file("bucket/fork/a.bin", b"hello")
    source = open_source("s3://bucket/fork")
    assert source.read("a.bin") == b"hello" and source.list() == ["a.bin"] and source.stat("a.bin").size == 5
    assert source.read("a.bin", 1, 3) == b"ell"
    assert source.read("a.bin", 3, 9) == b"lo" and source.read("a.bin", 5, 9) == source.read("a.bin", 7) == b""
    s3fs.S3FileSystem(skip_instance_cache=True).pipe_file("bucket/fork/empty.bin", b"")
    assert source.read("empty.bin") == source.read("empty.bin", 0, 9) == b""
    done = subprocess.run([sys.executable, "-c", FORKS], capture_output=True, text=True, timeout=120, cwd=REPOSITORY)
    assert (done.returncode, done.stdout) == (0, "b'hello' 1\n"), done.stderr
    with pytest.raises(MissingFile, match=r"nothing\.bin: not found"):
        source.read("nothing.bin")


@pytest.mark.parametrize("wrong", ["key", "secret"])
def test_wrong_s3_keys_fail_at_once_and_say_so(
    s3_server: object, s3_login: Callable[[str, str], None], wrong: str
) -> None:
    good_key, good_secret = s3_server.key, s3_server.secret  # type: ignore[attr-defined]
    s3_login("AKIAWRONG" if wrong == "key" else good_key, "wrong" if wrong == "secret" else good_secret)
    for ask in (lambda s: s.read("a.bin"), lambda s: s.list(), lambda s: s.stat("a.bin")):
        source = open_source("s3://bucket/denied")
        assert isinstance(source, RemoteSource)
        with pytest.raises(AccessDenied, match=r"s3://bucket/denied.*access refused.*check AWS_ACCESS_KEY_ID"):
            ask(source)
        assert source.traffic.snapshot()["retries"] == 0
