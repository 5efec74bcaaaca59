"""The folder of a cache: whole files only, the limit, eviction, and what killed processes leave. Real processes."""

from __future__ import annotations

import fcntl
import logging
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from shards.cache.shard_cache import ShardCache, check_limit
from tests.shards.cache.small_cache import DOWNLOAD, files, line, name_of, never, process, put


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


HOLD = """
cache = ShardCache(sys.argv[1], 3000)
held = cache.find(sys.argv[2])
print("held", flush=True)
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


MANY = """
import random
from shards.cache.cache_folder import CacheFolder
cache, folder = ShardCache(sys.argv[1], 10_000), CacheFolder(sys.argv[1])
draw = random.Random(int(sys.argv[2]))
def total():
    with folder.locked():
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
