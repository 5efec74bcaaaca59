"""The folder of a cache: whole files only, the limit, eviction, and what killed processes leave. Real processes."""

from __future__ import annotations

import fcntl
import logging
import math
import os
import random
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import xxhash
from hypothesis import given, settings
from hypothesis import strategies as st

from shards.cache.shard_cache import Reservation, ShardCache, check_limit, shard_identity
from tests.shards.conftest import REPOSITORY


def never(identity: str) -> float:
    return math.inf


def name_of(number: int) -> str:
    return shard_identity("s3://bucket/data", f"{number:06}.tar", 1000, "v")


def put(cache: ShardCache, identity: str, data: bytes, next_use: Callable[[str], float] = never) -> bool:
    """Whether there was room."""
    reservation = cache.reserve(identity, len(data), next_use)
    if not isinstance(reservation, Reservation):
        assert reservation == "no room", reservation
        return False
    reservation.write(0, data)
    assert reservation.commit() is not None
    return True


def files(folder: Path) -> dict[str, int]:
    return {path.name: path.stat().st_size for path in folder.iterdir() if path.name != ".lock"}


def test_a_shard_appears_whole_and_under_its_name(tmp_path: Path) -> None:
    cache = ShardCache(tmp_path / "new" / "cache", 10_000)
    identity = name_of(3)
    assert cache.find(identity) is None
    reservation = cache.reserve(identity, 6, never)
    assert isinstance(reservation, Reservation)
    reservation.write(3, b"def")
    reservation.write(0, memoryview(b"abc"))
    assert cache.find(identity) is None and files(tmp_path / "new" / "cache") == {f"{identity}.part": 6}
    assert reservation.checksum() == xxhash.xxh3_128_hexdigest(b"abcdef")
    with pytest.raises(ValueError, match="7 bytes do not fit into 6"):
        reservation.write(5, b"xx")
    shard = reservation.commit()
    assert shard is not None and (shard.size, shard.read(1, 3), shard.read(4, 9)) == (6, b"bcd", b"ef")
    assert files(tmp_path / "new" / "cache") == {identity: 6}
    reservation.abandon()
    assert reservation.commit() is None
    again = ShardCache(tmp_path / "new" / "cache", 10_000).find(identity)
    assert again is not None and again.read(0, 6) == b"abcdef"
    assert cache.reserve(identity, 6, never) == "here"


def test_a_large_file_is_hashed_in_pieces(tmp_path: Path) -> None:
    data = random.Random(1).randbytes((9 << 20) + 17)
    reservation = ShardCache(tmp_path, 1 << 24).reserve("x", len(data), never)
    assert isinstance(reservation, Reservation)
    reservation.write(0, data)
    assert reservation.checksum() == xxhash.xxh3_128_hexdigest(data)


def test_what_is_abandoned_leaves_nothing_and_can_be_begun_again(tmp_path: Path) -> None:
    cache = ShardCache(tmp_path, 10_000)
    first = cache.reserve(name_of(1), 100, never)
    assert isinstance(first, Reservation)
    assert cache.reserve(name_of(1), 100, never) == "elsewhere"
    first.abandon()
    assert files(tmp_path) == {}
    second = cache.reserve(name_of(1), 100, never)
    assert isinstance(second, Reservation)
    first.write(0, b"x" * 100)  # a thread that had not noticed
    first.abandon()
    assert files(tmp_path) == {f"{name_of(1)}.part": 100}
    second.write(0, b"y" * 100)
    shard = second.commit()
    assert shard is not None and shard.read(0, 100) == b"y" * 100


@pytest.mark.parametrize("name", ["a.tar", "x.part", "é" * 120, "a" * 250, ".part.part", "line\nbreak"])
def test_any_name_of_a_shard_gives_a_file_name_of_its_own(tmp_path: Path, name: str) -> None:
    cache = ShardCache(tmp_path, 10_000)
    url = "s3://bucket/data"
    identity = shard_identity(url, name, 3, "v")
    assert identity == shard_identity(url, name, 3, "v") and "/" not in identity
    others = [(url, name, 3, "w"), (url, name, 4, "v"), ("s3://bucket/other", name, 3, "v"), (url, name + "b", 3, "v")]
    assert len({identity, *(shard_identity(*other) for other in others)}) == 5
    assert put(cache, identity, b"abc")
    assert files(tmp_path) == {identity: 3}
    assert ShardCache(tmp_path, 10_000).find(identity) is not None


def test_the_file_needed_last_is_evicted_and_none_that_is_needed_sooner(tmp_path: Path) -> None:
    cache = ShardCache(tmp_path, 3000)
    needed = {name_of(1): 5.0, name_of(2): 9.0, name_of(3): 7.0, name_of(4): 6.0, name_of(5): 8.0, name_of(6): math.inf}
    for number in (1, 2, 3):
        assert put(cache, name_of(number), bytes(1000), needed.__getitem__)
    assert put(cache, name_of(4), bytes(1000), needed.__getitem__)
    assert set(files(tmp_path)) == {name_of(1), name_of(3), name_of(4)} and cache.evictions == 1
    # 8 turns away: what is here is all needed before
    assert not put(cache, name_of(5), bytes(1000), needed.__getitem__)
    assert not put(cache, name_of(6), bytes(1000), needed.__getitem__)
    assert not put(cache, name_of(6), bytes(3001), never)
    assert set(files(tmp_path)) == {name_of(1), name_of(3), name_of(4)}


def test_of_files_that_nobody_speaks_for_the_one_opened_longest_ago_goes(tmp_path: Path) -> None:
    cache = ShardCache(tmp_path, 3000)
    for number in (1, 2, 3):
        put(cache, name_of(number), bytes(1000))
    # The clock of the file system gives an order and nothing else: it may stand in the past or in the future.
    for number, time in ((1, 4_000_000_000), (2, 5), (3, 1_000_000)):
        os.utime(tmp_path / name_of(number), (time, time))
    assert put(cache, name_of(4), bytes(500))
    assert name_of(2) not in files(tmp_path)
    opened = cache.find(name_of(3))
    assert opened is not None
    del opened
    (tmp_path / name_of(1)).touch()
    assert put(cache, name_of(5), bytes(1000))


@settings(max_examples=60)
@given(
    accesses=st.lists(st.integers(0, 9), min_size=1, max_size=40),
    sizes=st.lists(st.integers(1, 40), min_size=10, max_size=10),
    limit=st.integers(30, 120),
    lead=st.integers(0, 3),
)
def test_with_the_future_known_it_evicts_as_an_oracle_does(
    tmp_path_factory: pytest.TempPathFactory, accesses: list[int], sizes: list[int], limit: int, lead: int
) -> None:
    """lead: how many accesses ahead of its use a shard is fetched."""
    folder = tmp_path_factory.mktemp("oracle")
    cache = ShardCache(folder, limit)
    inside: dict[int, int] = {}  # of the oracle: shard -> when it was put there
    for now in range(len(accesses) - lead):
        shard = accesses[now + lead]

        def distance(other: int, now: int = now) -> float:
            return next((at - now for at in range(now, len(accesses)) if accesses[at] == other), math.inf)

        def next_use(identity: str, distance: Callable[[int], float] = distance) -> float:
            return distance(next(number for number in range(10) if name_of(number) == identity))

        if shard in inside:
            continue
        victims, room = [], limit - sum(sizes[other] for other in inside)
        for other in sorted(inside, key=lambda other: (-distance(other), inside[other])):
            if room < sizes[shard] and distance(other) >= distance(shard):
                victims.append(other)
                room += sizes[other]
        if room >= sizes[shard]:
            for victim in victims:
                del inside[victim]
            inside[shard] = now
        assert put(cache, name_of(shard), bytes(sizes[shard]), next_use) == (shard in inside)
        if shard in inside:
            os.utime(cache.path(name_of(shard)), ns=(now, now))
        assert files(folder) == {name_of(number): sizes[number] for number in inside}


def test_a_file_that_is_evicted_just_when_it_is_opened_is_not_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = ShardCache(tmp_path, 3000)
    put(cache, name_of(1), bytes(1000))
    flock = fcntl.flock

    def evicted_first(fd: int, operation: int) -> None:
        os.unlink(cache.path(name_of(1)))
        flock(fd, operation)

    monkeypatch.setattr(fcntl, "flock", evicted_first)
    assert cache.find(name_of(1)) is None


# ---------------------------------------------------------------- several processes


@contextmanager
def process(code: str, *arguments: object) -> Iterator[subprocess.Popen[str]]:
    """A Python of its own, killed at the end."""
    child = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import math, os, sys\nfrom shards.cache.shard_cache import *\n" + code,
            *map(str, arguments),
        ],
        cwd=REPOSITORY,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield child
    finally:
        child.kill()
        child.communicate()


def line(child: subprocess.Popen[str]) -> str:
    assert child.stdout is not None
    return child.stdout.readline().strip()


HOLD = """
cache = ShardCache(sys.argv[1], 3000)
held = cache.find(sys.argv[2])
print("held", flush=True)
sys.stdin.read()
"""

DOWNLOAD = """
cache = ShardCache(sys.argv[1], 3000)
part = cache.reserve(sys.argv[2], 1000, lambda _: math.inf)
part.write(0, b"x" * 500)
print("half", flush=True)
sys.stdin.read()
"""


def test_what_another_process_holds_open_is_not_evicted(tmp_path: Path) -> None:
    cache = ShardCache(tmp_path, 3000)
    for number in (1, 2, 3):
        put(cache, name_of(number), bytes(1000))
    with process(HOLD, tmp_path, name_of(1)) as child:
        assert line(child) == "held"
        needed = {name_of(1): 99.0, name_of(2): 1.0, name_of(3): 2.0, name_of(4): 0.0, name_of(5): 0.0}
        assert put(cache, name_of(4), bytes(1000), needed.__getitem__)
        assert set(files(tmp_path)) == {name_of(1), name_of(2), name_of(4)}
        assert not put(cache, name_of(5), bytes(3000), needed.__getitem__)
        assert set(files(tmp_path)) == {name_of(1), name_of(2), name_of(4)}  # all or nothing
    assert put(cache, name_of(5), bytes(3000), needed.__getitem__)
    assert set(files(tmp_path)) == {name_of(5)}


def test_what_is_released_may_be_evicted_and_read_to_the_end(tmp_path: Path) -> None:
    cache = ShardCache(tmp_path, 1000)
    part = cache.reserve(name_of(1), 1000, never)
    assert isinstance(part, Reservation)
    part.write(0, b"x" * 1000)
    shard = part.commit()
    assert shard is not None and not put(cache, name_of(2), bytes(1000))
    shard.release()
    assert put(cache, name_of(2), bytes(1000)) and shard.read(990, 20) == b"x" * 10


def test_the_part_of_a_killed_process_is_taken_over_and_never_served(tmp_path: Path) -> None:
    cache = ShardCache(tmp_path, 3000)
    with process(DOWNLOAD, tmp_path, name_of(1)) as child:
        assert line(child) == "half"
        assert cache.reserve(name_of(1), 1000, never) == "elsewhere" and cache.find(name_of(1)) is None
        assert not put(cache, name_of(2), bytes(2500))  # the part counts, and it is alive
    assert cache.find(name_of(1)) is None
    part = cache.reserve(name_of(1), 900, never)
    assert isinstance(part, Reservation)
    part.write(0, b"y" * 900)
    shard = part.commit()
    assert shard is not None and shard.read(0, 2000) == b"y" * 900


@pytest.mark.parametrize("cleaner", ["who needs the room", "the next to open the folder"])
def test_the_part_of_a_killed_process_does_not_count_for_ever(tmp_path: Path, cleaner: str) -> None:
    cache = ShardCache(tmp_path, 3000)
    with process(DOWNLOAD, tmp_path, name_of(1)) as child:
        assert line(child) == "half"
        ShardCache(tmp_path, 3000)
        assert files(tmp_path) == {f"{name_of(1)}.part": 1000}
    if cleaner == "who needs the room":
        assert put(cache, name_of(2), bytes(2500)) and cache.evictions == 0
        assert files(tmp_path) == {name_of(2): 2500}
    else:
        ShardCache(tmp_path, 3000)
        assert files(tmp_path) == {}


def test_a_fork_does_not_keep_the_locks_of_its_killed_parent(tmp_path: Path) -> None:
    """The parent is a process of its own that has no threads."""
    fork = DOWNLOAD.replace("sys.stdin.read()", "if not os.fork(): print(os.getpid(), flush=True)\n")
    fork += "import signal\nsignal.pause()\n"
    cache = ShardCache(tmp_path, 3000)
    put(cache, name_of(2), bytes(1000))
    with process(f"held = ShardCache(sys.argv[1], 3000).find('{name_of(2)}')" + fork, tmp_path, name_of(1)) as parent:
        assert line(parent) == "half"
        child = int(line(parent))
        try:
            parent.kill()
            parent.wait()
            assert isinstance(cache.reserve(name_of(1), 1000, never), Reservation)
            assert put(cache, name_of(3), bytes(3000))
            os.kill(child, 0)
        finally:
            os.kill(child, 9)


MANY = """
import random
cache = ShardCache(sys.argv[1], 10_000)
draw = random.Random(int(sys.argv[2]))
def total():
    with cache.locked():
        return sum(e.stat().st_size for e in os.scandir(cache.folder) if e.name != ".lock")
print("ready", flush=True)
sys.stdin.readline()
held, most, rooms, number = [], 0, 0, 0
while rooms < 60:
    number = draw.randrange(40)
    size = 500 + 100 * number
    identity = shard_identity("s3://bucket/data", f"{number:06}.tar", size, "v")
    shard = cache.find(identity)
    if shard is None:
        got = cache.reserve(identity, size, lambda identity: draw.random())
        most = max(most, total())
        if not isinstance(got, Reservation):
            held[:1] = []
            continue
        rooms += 1
        if draw.random() < 0.2:
            got.abandon()
            continue
        got.write(0, bytes([number]) * size)
        shard = got.commit()
    assert shard.read(0, size + 1) == bytes([number]) * size
    held = [*held[-1:], shard]
    most = max(most, total())
print(most, flush=True)
"""


def test_the_limit_holds_while_processes_admit_evict_read_and_die_at_once(tmp_path: Path) -> None:
    with process(MANY, tmp_path, 1) as a, process(MANY, tmp_path, 2) as b, process(MANY, tmp_path, 3) as c:
        for child in (a, b, c):
            assert line(child) == "ready"
        for child in (a, b, c):
            assert child.stdin is not None
            child.stdin.write("go\n")
            child.stdin.flush()
        assert all(0 < int(line(child)) <= 10_000 for child in (a, b, c))
    assert sum(files(tmp_path).values()) <= 10_000
    ShardCache(tmp_path, 10_000)
    assert not [name for name in files(tmp_path) if name.endswith(".part")]


# ---------------------------------------------------------------- folders that do not do


def test_a_limit_below_the_working_set_is_refused() -> None:
    check_limit(1000, 1000, "train")
    with pytest.raises(
        ValueError, match=r"limit is 999 bytes.*\(4 streams of cc\).*1,000.*set cache.limit to at least"
    ):
        check_limit(999, 1000, "4 streams of cc")


def test_a_limit_that_the_disk_cannot_hold_is_refused(tmp_path: Path) -> None:
    put(ShardCache(tmp_path, 3000), name_of(1), bytes(1000))
    with pytest.raises(
        ValueError, match=r"limit is 1,000,000,000,000,000,000 bytes.*1,000 bytes of shards.*bytes free"
    ):
        ShardCache(tmp_path, 10**18)


def test_a_folder_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for folder in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(ValueError, match=r"file.* cannot be used \(.*set cache.folder to a writable folder"):
            ShardCache(folder, 1000)


@contextmanager
def mounted(folder: Path, options: str) -> Iterator[None]:
    folder.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)], capture_output=True)
    if done.returncode:
        pytest.skip("needs the right to mount a file system")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_folder_that_is_not_writable_is_refused(tmp_path: Path) -> None:
    with mounted(tmp_path / "disk", "size=1m,ro"), pytest.raises(ValueError, match=r"disk cannot be used .*Read-only"):
        ShardCache(tmp_path / "disk", 1000)


def test_a_full_disk_is_said_once_and_means_no_room(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with mounted(tmp_path / "disk", "size=1m"), caplog.at_level(logging.WARNING):
        cache = ShardCache(tmp_path / "disk", 1_000_000)
        (tmp_path / "disk" / "of somebody else").write_bytes(bytes(700_000))
        assert put(cache, name_of(1), bytes(200_000))
        for _ in range(2):
            assert cache.reserve(name_of(2), 400_000, never) == "no room"
        assert set(files(tmp_path / "disk")) == {"of somebody else", name_of(1)}
        assert len(caplog.messages) == 1
        assert "disk takes no more shards (OSError: No space left on device)" in caplog.messages[0]
        assert "lower cache.limit (1,000,000 bytes)" in caplog.messages[0]


def test_a_folder_that_vanished_means_no_room(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    cache = ShardCache(tmp_path / "cache", 1000)
    (tmp_path / "cache" / ".lock").unlink()
    (tmp_path / "cache").rmdir()
    assert cache.find(name_of(1)) is None
    assert cache.reserve(name_of(1), 100, never) == "no room"
    assert "cache takes no more shards (FileNotFoundError" in caplog.messages[0]


@pytest.mark.parametrize("kind", ["refuses", "ignores"])
def test_a_file_system_without_locks_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    def flock(fd: int, operation: int) -> None:
        if kind == "refuses":
            raise OSError(37, "No locks available")

    monkeypatch.setattr(fcntl, "flock", flock)
    with pytest.raises(ValueError, match=r"cannot be used \(OSError: .*locks.*a writable folder on a local disk"):
        ShardCache(tmp_path, 1000)


def test_files_of_others_are_neither_counted_nor_touched(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_bytes(bytes(5000))
    (tmp_path / "folder.part").mkdir()
    cache = ShardCache(tmp_path, 1000)
    assert put(cache, name_of(1), bytes(1000)) and put(cache, name_of(2), bytes(1000))
    assert set(os.listdir(tmp_path)) == {".lock", "notes.txt", "folder.part", name_of(2)}


def test_a_removed_copy_is_gone_but_not_another_in_its_place(tmp_path: Path) -> None:
    cache = ShardCache(tmp_path, 1000)
    put(cache, name_of(1), b"old")
    old = cache.find(name_of(1))
    cache.remove(name_of(1), old)
    assert cache.find(name_of(1)) is None and old is not None and old.read(0, 3) == b"old"
    put(cache, name_of(1), b"new")
    cache.remove(name_of(1), old)
    assert cache.find(name_of(1)) is not None
    cache.remove(name_of(1))
    cache.remove(name_of(1))
    assert files(tmp_path) == {}
