"""What a cached source gives is what the store has: cold, warm, without room, damaged, replaced, in many processes."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError
from pathlib import Path

import numpy as np
import pytest
import xxhash

from shards.base.errors import MissingFile, SourceError
from shards.cache.cached_source import CachedSource
from shards.cache.downloads import Downloads
from shards.cache.shard_cache import ShardCache
from shards.storage.local import LocalSource
from shards.storage.open import open_source
from shards.storage.pread import read_ranges_in_python
from shards.storage.remote import RemoteSource
from shards.storage.source import Source
from tests.shards.cache.settled import settled
from tests.shards.conftest import REPOSITORY
from tests.shards.far_folder import WAIT, FarFolder, download_threads_ended, until, write_shards
from tests.shards.http_store import HURRY, HttpStore

Make = Callable[..., CachedSource]
RANGES = [(0, None), (17, None), (-30, None), (-9000, None), (0, 0), (10, 25), (4990, 25), (5000, 5), (9000, 5)]


def warm(source: CachedSource, *names: str) -> CachedSource:
    """Want these, or all, and wait until none is on its way."""
    source.want(names or source.list(".tar"))
    assert source.downloads.wait(WAIT)
    return source


def test_every_range_is_what_a_local_folder_gives_here_and_far(tmp_path: Path, cached: Make) -> None:
    source: Source = cached(3)
    local = LocalSource(str(tmp_path / "far"))
    assert isinstance(source, CachedSource)
    for state in ("far", "here"):
        if state == "here":
            warm(source)
        for name in local.list():
            for offset, length in RANGES:
                assert source.read(name, offset, length) == local.read(name, offset, length)
            with pytest.raises(ValueError, match="negative offset"):
                source.read(name, -5, 2)
    many = [(name, 7 * number, 100 + number) for number, name in enumerate(local.list() * 3)]
    assert source.read_many(many) == local.read_many(many) and source.read_many([]) == []
    assert source.list(".tar") == local.list(".tar") and source.url == "far://store/data"


def test_what_is_here_costs_no_request_not_even_for_its_size(cached: Make, far: FarFolder) -> None:
    source = warm(cached(3))
    names = source.list()
    far.log.clear()
    assert [source.stat(name).size for name in names] == [5000, 5001, 5002]
    assert [stat.size for stat in source.stat_many(names)] == [5000, 5001, 5002]
    assert len({source.stat(name).version for name in names}) == 3
    source.read_many([(name, 5, 10) for name in names])
    assert far.log == [] and source.downloads.snapshot()["hits"] == 3


def test_files_that_are_no_shards_are_read_from_the_store(tmp_path: Path, cached: Make) -> None:
    source = warm(cached(3))
    (tmp_path / "far" / "dataset.json").write_bytes(b"{}")
    assert source.read("dataset.json") == b"{}" and source.stat("dataset.json").size == 2
    assert source.downloads.snapshot()["ranges_other"] == 0
    with pytest.raises(MissingFile, match="nothing"):
        source.read("nothing")


def test_cold_it_reads_by_range_and_warm_it_waits(tmp_path: Path, cached: Make, far: FarFolder) -> None:
    source = cached(4)
    a, b, c, d = source.list()
    far.gate.clear()
    source.want([a, b])
    expected = LocalSource(str(tmp_path / "far")).read
    assert source.read(b, 10, 20) == expected(b, 10, 20)  # although its download hangs
    assert source.read_many([(a, 0, 5), (b, 1, 5), (d, 2, 5)]) == [
        expected(a, 0, 5),
        expected(b, 1, 5),
        expected(d, 2, 5),
    ]
    assert source.downloads.snapshot()["ranges_cold"] == 3 and source.downloads.snapshot()["ranges_other"] == 1
    far.gate.set()
    warm(source, a, b)
    far.gate.clear()
    far.log.clear()
    source.want([b, c, d])
    got: list[bytes] = []
    reader = threading.Thread(target=lambda: got.append(source.read(c, 10, 20)))
    reader.start()
    until(lambda: source.num_waiting == 1)
    assert source.read(b, 3, 4) == expected(b, 3, 4)
    far.gate.set()
    reader.join(WAIT)
    assert source.downloads.wait(WAIT)  # c may be read before d has come
    assert got == [expected(c, 10, 20)] and Counter(far.downloads()) == {c: 1, d: 1} and len(far.log) == 2
    assert source.downloads.snapshot()["seconds_waited"] > 0


class Dripping(FarFolder):
    """Gives the first half of a large range at once, and the rest behind the gate."""

    def fetch(self, name: str, offset: int, length: int, write: Callable[[int, bytes], None]) -> int:
        data = LocalSource(str(self._folder)).read(name, offset, length)
        self.log.append(("read", name, offset, length))
        write(offset, data[: length // 2])
        self.waiting.release()
        assert self.gate.wait(WAIT)
        write(offset + length // 2, data[length // 2 :])
        return length


@pytest.fixture
def dripping(tmp_path: Path) -> Iterator[tuple[Dripping, CachedSource]]:
    """A source of two shards whose second is here; the first comes by halves, and no cold start is left."""
    known = write_shards(tmp_path / "far", 2)
    far = Dripping(tmp_path / "far")
    source = CachedSource(far, Downloads(ShardCache(tmp_path / "cache", 1 << 20)), known)
    warm(source, "000001.tar")
    far.gate.clear()
    source.want(["000001.tar", "000000.tar"])
    for _ in known:
        assert far.waiting.acquire(timeout=WAIT)
    yield far, source
    far.gate.set()
    source.downloads.close()
    assert download_threads_ended()


def test_bytes_are_there_before_their_shard_is_whole(dripping: tuple[Dripping, CachedSource], tmp_path: Path) -> None:
    (far, source), (a, b) = dripping, ("000000.tar", "000001.tar")
    expected = LocalSource(str(tmp_path / "far")).read
    ranges = [(a, 10, 200), (a, 2400, 90), (b, 7, 9)]
    assert source.read_many(ranges) == [expected(*range_) for range_ in ranges]
    assert source.states() == {b: "here", a: "busy"}
    got: list[bytes] = []
    reader = threading.Thread(target=lambda: got.append(source.read(a, 2400, 500)))
    reader.start()
    until(lambda: source.num_waiting == 1)
    far.gate.set()
    reader.join(WAIT)
    assert got == [expected(a, 2400, 500)] and len(far.log) == 2
    assert source.downloads.wait(WAIT) and source.states() == {b: "here", a: "here"}


def test_a_shard_that_is_used_up_before_it_is_whole_is_completed(dripping: tuple[Dripping, CachedSource]) -> None:
    (far, source), (a, b) = dripping, ("000000.tar", "000001.tar")
    assert len(source.read(a, 10, 200)) == 200
    source.want([b])
    far.gate.set()
    assert source.downloads.wait(WAIT) and source.states() == {b: "here"}  # a is not held
    assert settled_with(source, a, b) == {a: "here", b: "here"} and len(far.log) == 2


def settled_with(source: CachedSource, *names: str) -> dict[str, str]:
    """The states after wanting these."""
    source.want(names)
    return dict(settled(source))


def test_a_cold_start_brings_one_part_of_shards_in_use_and_then_what_is_used_soonest(
    cached: Make, far: FarFolder
) -> None:
    source = cached(3, part_bytes=1700, connections=1)
    source.next_use = {"000000.tar": 0.0, "000001.tar": 0.0, "000002.tar": 2000.0}.__getitem__
    source.want(sorted(source.list()), {"000001.tar": 1700}, per_byte=1.0)
    assert source.downloads.wait(WAIT)
    assert [(name, at, length) for _, name, at, length in far.log] == [
        ("000000.tar", 0, 1666),
        ("000001.tar", 1700, 3301),
        ("000000.tar", 1666, 3334),
        ("000002.tar", 0, 5002),
        ("000001.tar", 0, 1700),
    ]


def test_a_reader_that_waits_goes_before_the_order_of_use(cached: Make, far: FarFolder) -> None:
    source = cached(2, part_bytes=1100, connections=1)
    warm(source, "000000.tar")
    far.gate.clear()
    far.log.clear()
    source.want(["000000.tar", "000001.tar"])
    assert far.waiting.acquire(timeout=WAIT) and far.waiting.acquire(timeout=WAIT)
    got: list[bytes] = []
    reader = threading.Thread(target=lambda: got.append(source.read("000001.tar", 4900, 50)))
    reader.start()
    until(lambda: source.num_waiting == 1)
    far.gate.set()
    reader.join(WAIT)
    assert len(got) == 1 and len(far.log) < 6
    assert settled(source) == {"000000.tar": "here", "000001.tar": "here"}


def test_a_cold_start_reads_a_bounded_number_of_ranges(cached: Make, far: FarFolder) -> None:
    source = cached(1)
    far.gate.clear()
    source.want(["000000.tar"])
    for at in range(64):
        assert source.read("000000.tar", at, 10) == far.read("000000.tar", at, 10)
    reader = threading.Thread(target=lambda: source.read("000000.tar", 70, 10))
    reader.start()
    until(lambda: source.num_waiting == 1)
    far.gate.set()
    reader.join(WAIT)
    assert source.downloads.snapshot()["ranges_cold"] == 64


def test_without_room_it_reads_by_range(cached: Make, far: FarFolder) -> None:
    source = warm(cached(3, limit=5100))
    a, b, c = source.list()
    assert source.read(a, 5, 9) == far.read(a, 5, 9) and source.read(c, 5, 9) == far.read(c, 5, 9)
    counts = source.downloads.snapshot()
    assert (counts["hits"], counts["ranges_no_room"], counts["ranges_other"]) == (1, 1, 0)
    assert warm(source, b, c).read(b, 5, 9) == far.read(b, 5, 9)
    assert source.downloads.snapshot()["hits"] == 2


def test_a_failed_download_reaches_the_reader_only_if_the_range_fails_too(cached: Make, far: FarFolder) -> None:
    source = cached(2)
    far.broken = {"000000.tar"}
    warm(source)
    assert source.read("000001.tar", 0, 9) == far.read("000001.tar", 0, 9)
    for read in (lambda: source.read("000000.tar", 0, 9), lambda: source.read_many([("000000.tar", 0, 9)])):
        with pytest.raises(SourceError, match=r"000000\.tar: broken") as caught:
            read()
        assert "its download into the cache had failed too: " in caught.value.__notes__[0]
    far.broken = set()
    assert source.read("000000.tar", 0, 9) == far.read("000000.tar", 0, 9)


def test_a_damaged_copy_is_forgotten_and_the_store_read(tmp_path: Path, cached: Make, far: FarFolder) -> None:
    source = warm(cached(2))
    right = far.read("000000.tar", 100, 50)
    (copy,) = (tmp_path / "cache").glob("*-000000.tar")
    with open(copy, "r+b") as file:
        file.seek(120)
        file.write(bytes([right[20] ^ 1]))
    assert source.read("000000.tar", 100, 50) != right
    source.forget("000000.tar")
    assert source.read("000000.tar", 100, 50) == right
    assert not copy.exists()
    warm(source, "000001.tar")
    assert warm(source, "000000.tar").read("000000.tar", 100, 50) == right and copy.exists()
    source.close()
    assert source.read("000000.tar", 100, 50) == right  # nobody wants it, yet it is here
    source.forget("000000.tar")
    assert source.read("000000.tar", 100, 50) == right and not copy.exists()


def test_a_copy_that_was_cut_off_or_whose_disk_fails_is_dropped_and_named(
    tmp_path: Path,
    cached: Make,
    far: FarFolder,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    source = warm(cached(2))
    (copy,) = (tmp_path / "cache").glob("*-000000.tar")
    os.truncate(copy, 1000)
    assert source.read("000000.tar", 0, 900) == far.read("000000.tar", 0, 900)
    assert source.read_many([("000000.tar", 900, 200)]) == [far.read("000000.tar", 900, 200)]
    assert not copy.exists() and "000000.tar: its copy in " in caplog.text and "(it was cut off)" in caplog.text
    expected, real_pread = far.read("000001.tar", 0, 900), os.pread
    (copy,) = (tmp_path / "cache").glob("*-000001.tar")

    def pread(fd: int, length: int, offset: int) -> bytes:
        if os.path.samestat(os.fstat(fd), failing):
            raise OSError(errno.EIO, "Input/output error")
        return real_pread(fd, length, offset)

    failing = copy.stat()
    monkeypatch.setattr(os, "pread", pread)
    monkeypatch.setattr("shards.cache.cached_source.read_ranges", read_ranges_in_python)  # not compiled
    assert source.read("000001.tar", 0, 900) == expected and not copy.exists()
    assert "(OSError: Input/output error)" in caplog.text


def test_a_replaced_shard_is_not_read_from_the_old_copy(tmp_path: Path, cached: Make, far: FarFolder) -> None:
    """With checksums in the index, and without any."""
    for seed in (1, 2):
        made = cached(2, seed=seed)
        far.reopen()
        source = warm(made)
        assert source.read("000000.tar", 0, 9) == far.read("000000.tar", 0, 9)
        assert source.downloads.snapshot()["hits"] == 1
    for seed in (3, 4):
        known = {name: (size, "") for name, (size, _) in write_shards(tmp_path / "far", 2, seed=seed).items()}
        far.reopen()
        far.versions = dict.fromkeys(far.list(), f"ETag={seed}")
        source = warm(CachedSource(far, source.downloads, known))
        hits = source.downloads.snapshot()["hits"]
        assert source.read("000000.tar", 0, 9) == far.read("000000.tar", 0, 9)
        assert source.downloads.snapshot()["hits"] == hits + 1
        source.close()
    assert len(list((tmp_path / "cache").glob("*-000000.tar"))) == 4


def test_two_datasets_whose_shards_have_the_same_names_keep_apart(tmp_path: Path, cached: Make, far: FarFolder) -> None:
    first = warm(cached(3))
    other = FarFolder(tmp_path / "other", "far://store/other")
    second = CachedSource(other, first.downloads, write_shards(tmp_path / "other", 3, seed=5))
    warm(second)
    for name in first.list():
        assert first.read(name, 0, 50) == far.read(name, 0, 50) != other.read(name, 0, 50) == second.read(name, 0, 50)
    assert len(list((tmp_path / "cache").glob("*.tar"))) == 6


FORKS = """
import os, sys
from pathlib import Path
from shards.cache.shard_cache import ShardCache
from shards.cache.cached_source import CachedSource
from shards.cache.downloads import Downloads
from tests.shards.far_folder import FarFolder, write_shards
def in_fork(use):
    sys.stdout.flush()
    pid = os.fork()
    if not pid:
        try:
            print(repr(use()), flush=True)
        except Exception as error:
            print(f"{type(error).__name__}: {error}", flush=True)
        finally:
            os._exit(0)
    os.waitpid(pid, 0)
folder = Path(sys.argv[1])
known = write_shards(folder / "far", 2)
downloads = Downloads(ShardCache(folder / "cache", 10**6))
source = CachedSource(FarFolder(folder / "far"), downloads, known)
def read():
    return source.read("000000.tar", 0, 9)
def warm():
    source.want(list(known))
    assert downloads.wait(60)
in_fork(lambda: warm() or read())
warm()
in_fork(read)
in_fork(lambda: (source.close(), downloads.close()))
print(repr(read()), flush=True)
downloads.close()
"""
"""A process is forked that has threads, because a user may do so, and a source in use has to refuse it. They wait for
work, the forks do no more than ask, and the process is one of its own that is killed if one hangs."""


def test_a_fork_works_before_the_first_want_and_is_refused_afterwards(tmp_path: Path) -> None:
    command = [sys.executable, "-c", FORKS, str(tmp_path)]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=250, check=True)
    unused, refused, closed, parent = done.stdout.splitlines()
    assert unused == parent == repr((tmp_path / "far" / "000000.tar").read_bytes()[:9])
    assert refused.startswith("ValueError: ") and "a fork of it: the threads stayed behind" in refused
    assert closed == "(None, None)"


# ---------------------------------------------------------------- processes and a real server

PROGRAM = """
import json, random, sys
from shards.cache.shard_cache import ShardCache
from shards.cache.cached_source import CachedSource
from shards.cache.downloads import Downloads
from shards.storage.open import open_source
url, folder, limit, known, seed = *sys.argv[1:4], json.loads(sys.argv[4]), int(sys.argv[5])
downloads = Downloads(ShardCache(folder, int(limit)), connections=3, part_bytes=40_000)
remote = open_source(url)
source = CachedSource(remote, downloads, {name: tuple(one) for name, one in known.items()})
print("ready", flush=True)
sys.stdin.readline()
names = sorted(known)
source.next_use = lambda name: names.index(name) - at
"""
READ = """
import xxhash
draw, ranges, digest = random.Random(seed), [], xxhash.xxh3_128()
for at in range(len(names)):
    source.want(names[at : at + 4])
    if at == 0:
        downloads.wait()  # the first list; what comes later is waited for by whoever reads it
    for offset in (draw.randrange(known[names[at]][0]) for _ in range(5)):
        ranges.append((names[at], offset, 100))
        digest.update(source.read(*ranges[-1]))
downloads.wait()  # bytes are there before their shard is whole
print(json.dumps([ranges, digest.hexdigest(), downloads.snapshot(), remote.traffic.snapshot()]), flush=True)
downloads.close()
"""


@pytest.fixture
def store() -> Iterator[tuple[HttpStore, dict[str, tuple[int, str]]]]:
    """A server with 8 shards of one, and one of three parts."""
    with HttpStore().running() as store:
        known = {}
        for number in range(9):
            data = np.random.default_rng(number).bytes(110_000 if number == 4 else 30_000 + number)
            store.files[f"/data/{number:06}.tar"] = data
            known[f"{number:06}.tar"] = (len(data), xxhash.xxh3_128_hexdigest(data))
        yield store, known


def start(store: HttpStore, known: object, folder: Path, limit: int, seed: int, code: str) -> subprocess.Popen[str]:
    child = subprocess.Popen(
        [sys.executable, "-c", PROGRAM + code, f"{store.url}/data", folder, str(limit), json.dumps(known), str(seed)],
        cwd=REPOSITORY,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert child.stdout is not None
    return child


def go(children: list[subprocess.Popen[str]]) -> list[list[object]]:
    """Start them at once; what they print."""
    for child in children:
        assert child.stdout is not None and child.stdin is not None
        assert child.stdout.readline() == "ready\n"
    for child in children:
        assert child.stdin is not None
        child.stdin.write("go\n")
        child.stdin.flush()
    return [json.loads(child.communicate(timeout=250)[0]) for child in children]


def large(store: HttpStore) -> Counter[tuple[str, str]]:
    """The requests for whole shards and parts, as (path, range)."""
    spans = [
        (path, range_ or "", *map(int, (range_ or "").removeprefix("bytes=").split("-")))
        for _, path, range_ in store.requests
    ]
    return Counter((path, range_) for path, range_, first, last in spans if last - first > 100)


def check_read(store: HttpStore, ranges: list[tuple[str, int, int]], digest: str) -> None:
    pieces = (store.files[f"/data/{name}"][offset : offset + length] for name, offset, length in ranges)
    assert xxhash.xxh3_128_hexdigest(b"".join(pieces)) == digest


def test_many_processes_bring_each_shard_once_and_read_what_the_store_has(
    tmp_path: Path, store: tuple[HttpStore, dict[str, tuple[int, str]]]
) -> None:
    server, known = store
    results = go([start(server, known, tmp_path, 10**6, seed, READ) for seed in range(3)])
    for ranges, digest, _, _ in results:
        check_read(server, ranges, digest)  # type: ignore[arg-type]
    requests = large(server)
    assert sum(requests.values()) == len(requests) == 8 + 3
    assert not [method for method, _, _ in server.requests if method == "HEAD"]
    assert sum(counts["parts"] for _, _, counts, _ in results) == 11  # type: ignore[index]
    assert sum(traffic["part"] for _, _, _, traffic in results) == 11  # type: ignore[index]
    # warm: another process asks the store for nothing
    server.requests.clear()
    ((ranges, digest, counts, _),) = go([start(server, known, tmp_path, 10**6, 9, READ)])
    check_read(server, ranges, digest)  # type: ignore[arg-type]
    assert server.requests == [] and counts["hits"] == 45  # type: ignore[index]


def test_processes_that_share_too_small_a_cache_read_what_the_store_has(
    tmp_path: Path, store: tuple[HttpStore, dict[str, tuple[int, str]]]
) -> None:
    server, known = store
    for ranges, digest, _, _ in go([start(server, known, tmp_path, 130_000, seed, READ) for seed in range(3)]):
        check_read(server, ranges, digest)  # type: ignore[arg-type]
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) <= 130_000


def test_a_process_that_is_killed_while_it_downloads_is_followed_by_one_that_finishes(
    tmp_path: Path, store: tuple[HttpStore, dict[str, tuple[int, str]]]
) -> None:
    server, known = store
    name = "000004.tar"
    known = {name: known[name]}
    server.faults.extend(["hang"] * 3)
    first = start(server, known, tmp_path, 10**6, 0, "at = 0\nsource.want(names)\nsys.stdin.read()\n")
    assert first.stdout is not None and first.stdin is not None
    try:
        assert first.stdout.readline() == "ready\n"
        first.stdin.write("go\n")
        first.stdin.flush()
        pause = threading.Event()
        while len(server.requests) < 3:
            pause.wait(0.01)
    finally:
        first.kill()
        first.communicate()
    (part,) = tmp_path.glob("*.part")
    assert part.stat().st_size == 110_000
    ((ranges, digest, counts, _),) = go([start(server, known, tmp_path, 10**6, 1, READ)])
    check_read(server, ranges, digest)  # type: ignore[arg-type]
    assert counts["parts"] == 3 and not list(tmp_path.glob("*.part"))  # type: ignore[index]


@pytest.mark.long
def test_whenever_processes_are_killed_the_folder_holds_whole_shards_within_its_limit(
    tmp_path: Path, store: tuple[HttpStore, dict[str, tuple[int, str]]]
) -> None:
    server, known = store
    limit, draw = 160_000, np.random.default_rng(5)
    for round_ in range(8):
        children = [start(server, known, tmp_path, limit, seed, READ) for seed in range(3)]
        try:
            server.requests.clear()
            server.faults.extend([503, "cut"] * 2)
            for child in children:
                assert child.stdout is not None and child.stdin is not None
                assert child.stdout.readline() == "ready\n"
                child.stdin.write("go\n")
                child.stdin.flush()
            pause, kill_at = threading.Event(), int(draw.integers(1, 40))
            while len(server.requests) < kill_at and any(child.poll() is None for child in children):
                pause.wait(0.002)
            killed = children[round_ % 3]
            killed.kill()
            for child in children:
                out = child.communicate(timeout=250)[0]
                if child is not killed:
                    ranges, digest, _, _ = json.loads(out)
                    check_read(server, ranges, digest)
        finally:
            for child in children:
                child.kill()
                child.communicate()
        assert sum(path.stat().st_size for path in tmp_path.iterdir()) <= limit
        ShardCache(tmp_path, limit)
        for path in tmp_path.glob("*.tar*"):
            name = path.name[33:]
            assert xxhash.xxh3_128_hexdigest(path.read_bytes()) == known[name][1]


def test_a_server_that_cuts_and_refuses_costs_no_byte(
    tmp_path: Path, store: tuple[HttpStore, dict[str, tuple[int, str]]]
) -> None:
    server, known = store
    server.faults.extend([503, "cut", "short", 500, "cut"] * 3)
    downloads = Downloads(ShardCache(tmp_path, 10**6))
    source = CachedSource(RemoteSource(f"{server.url}/data", waits=HURRY), downloads, known)
    warm(source, *known)
    for name in known:
        assert source.read(name, 0, 110_000) == server.files[f"/data/{name}"]
    assert downloads.snapshot()["hits"] == 9
    downloads.close()


def test_close_does_not_wait_for_a_server_that_hangs(
    tmp_path: Path, store: tuple[HttpStore, dict[str, tuple[int, str]]]
) -> None:
    server, known = store
    server.faults.extend(["hang"] * 5)
    downloads = Downloads(ShardCache(tmp_path, 10**6), connections=4)
    source = CachedSource(RemoteSource(f"{server.url}/data"), downloads, known)
    source.want(sorted(known))
    errors: list[BaseException] = []

    def read() -> None:
        try:
            source.read("000008.tar", 0, 10)
        except BaseException as error:
            errors.append(error)

    reader = threading.Thread(target=read)
    reader.start()
    pause = threading.Event()
    while len(server.requests) < 5:
        pause.wait(0.01)
    downloads.close()
    reader.join(WAIT)
    assert isinstance(errors[0], CancelledError)
    assert download_threads_ended()
    assert os.listdir(tmp_path) == [".lock"]


def test_shards_of_a_bucket_and_of_whatever_fsspec_knows_are_cached(
    tmp_path: Path, s3_server: object, s3_login: Callable[[str, str], None]
) -> None:
    s3_login(s3_server.key, s3_server.secret)  # type: ignore[attr-defined]
    import fsspec

    known = write_shards(tmp_path / "far", 2, size=150_000)
    for url in ("s3://bucket/cached", "memory://cached"):
        files, prefix = fsspec.core.url_to_fs(url, skip_instance_cache=True)
        for name in known:
            files.pipe_file(f"{prefix}/{name}", (tmp_path / "far" / name).read_bytes())
        remote = open_source(url)
        assert isinstance(remote, RemoteSource)
        downloads = Downloads(ShardCache(tmp_path / "cache", 10**6), part_bytes=40_000)
        source = warm(CachedSource(remote, downloads, known), *known)
        for name, (size, _) in known.items():
            assert source.read(name, 0, size) == (tmp_path / "far" / name).read_bytes()
        counts, traffic = downloads.snapshot(), remote.traffic.snapshot()
        assert (counts["hits"], counts["bytes"]) == (2, 300_001) and 4 <= counts["parts"] <= 8
        assert traffic["part"] == counts["parts"]
        assert (traffic["bytes"], traffic["range"], traffic["stat"]) == (300_001, 0, 0)
        downloads.close()
