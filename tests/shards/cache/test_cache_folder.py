"""Who may use the folder of a cache: its owner; shared, the users of its group; nobody through a link. Real users."""

from __future__ import annotations

import json
import logging
import os
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from shards.base.errors import CacheFolderError
from shards.cache.reservation import Reservation
from shards.cache.shard_cache import ShardCache
from tests.shards.cache.small_cache import name_of, never, put
from tests.shards.conftest import REPOSITORY

AS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to run as two users")
ALICE, BOB, GROUP = 61001, 61002, 61900
SCRIPT = """
import json, math, os, sys
from shards.cache.file_names import shard_identity
from shards.cache.reservation import Reservation
from shards.cache.shard_cache import ShardCache
from shards.base.errors import CacheFolderError

user, folder, shared, mine, seen = int(sys.argv[1]), sys.argv[2], sys.argv[3] or None, sys.argv[4], sys.argv[5:]
os.umask(0o022)
os.setgroups([61900]); os.setgid(user); os.setuid(user)
told = {}
try:
    cache = ShardCache(folder, 3000, shared)
    for name in seen:
        shard = cache.find(name)
        told[name] = None if shard is None else shard.read(0, 99).decode()
        del shard
    room = cache.reserve(mine, 1400, lambda name: math.inf)
    if isinstance(room, Reservation):
        room.write(0, str(user).encode())
        room.commit()
        room = "put"
    told["room"], told["evictions"] = room, cache.evictions
except ValueError as error:
    told["error"] = str(error)
print(json.dumps(told))
"""


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder that all users reach."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o777)
    yield folder
    shutil.rmtree(folder)


def run_as(user: int, folder: Path, shared: str, mine: str, *seen: str) -> dict[str, object]:
    command = [sys.executable, "-c", SCRIPT, str(user), str(folder), shared, mine, *seen]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    told: dict[str, object] = json.loads(done.stdout)
    return told


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


def test_a_cache_is_its_users_own_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        assert put(ShardCache(tmp_path / "cache", 3000), name_of(1), b"abc")
    finally:
        os.umask(before)
    assert mode_of(tmp_path / "cache") == 0o700
    assert {mode_of(file) for file in (tmp_path / "cache").iterdir()} == {0o600}


@AS_ROOT
def test_the_cache_of_another_user_is_refused_with_what_to_do(place: Path) -> None:
    folder = place / "cache"
    assert run_as(ALICE, folder, "", name_of(1))["room"] == "put"
    for mode in (0o700, 0o755, 0o777):
        folder.chmod(mode)
        assert run_as(BOB, folder, "", name_of(2))["error"] == (
            f"the cache folder {folder} belongs to user {ALICE}, this process runs as user {BOB}: a cache is one "
            f"user's own; set cache.folder to a folder of your own on a local disk, not {folder}, or share it: "
            "cache.shared: group"
        )
    assert [file.name for file in folder.iterdir() if file.name != ".lock"] == [name_of(1)]


@AS_ROOT
def test_users_of_a_group_share_a_cache_by_setting(place: Path) -> None:
    folder = place / "cache"
    place.chmod(0o2777)
    os.chown(place, -1, GROUP)
    assert run_as(ALICE, folder, "group", name_of(1))["room"] == "put"
    told = run_as(BOB, folder, "group", name_of(2), name_of(1))
    assert told["room"] == "put" and str(told[name_of(1)]).startswith(str(ALICE))
    told = run_as(ALICE, folder, "group", name_of(3), name_of(2), name_of(1))
    assert told["room"] == "put" and told["evictions"] == 1  # a shard of the other user's goes as well
    assert mode_of(folder) == 0o2775
    assert {(mode_of(file), file.stat().st_gid) for file in folder.iterdir()} == {(0o664, GROUP)}


@AS_ROOT
@pytest.mark.parametrize(("mode", "group", "reason"), [(0o755, GROUP, "has mode 755"), (0o2775, 0, "is of group 0")])
def test_a_folder_that_cannot_be_shared_is_named_with_what_to_type(
    place: Path, mode: int, group: int, reason: str
) -> None:
    folder = place / "cache"
    folder.mkdir()
    os.chown(folder, ALICE, group)
    folder.chmod(mode)
    error = str(run_as(ALICE, folder, "group", name_of(1))["error"])
    assert reason in error and f"chmod 2775 {folder}" in error


@AS_ROOT
def test_files_and_links_of_others_in_a_folder_that_all_may_write_are_not_used(place: Path) -> None:
    folder, victim = place / "cache", place / "victim"
    folder.mkdir()
    os.chown(folder, ALICE, GROUP)
    folder.chmod(0o777)
    (folder / name_of(1)).write_bytes(b"planted")
    os.chown(folder / name_of(1), BOB, GROUP)
    error = str(run_as(ALICE, folder, "", name_of(2), name_of(1))["error"])
    assert f"{folder}/{name_of(1)}: belongs to user {BOB}" in error and f"rm {folder}/{name_of(1)}" in error
    victim.write_bytes(b"precious")
    (folder / name_of(1)).unlink()
    os.link(victim, folder / f"{name_of(2)}.part")
    error = str(run_as(ALICE, folder, "", name_of(2))["error"])
    assert "hard link" in error and victim.read_bytes() == b"precious"


@pytest.mark.parametrize("name", [".lock", f"{name_of(1)}.part", name_of(1)])
@pytest.mark.parametrize("leads_somewhere", [True, False])
def test_a_link_is_never_followed_and_is_named(tmp_path: Path, name: str, leads_somewhere: bool) -> None:
    folder, victim = tmp_path / "cache", tmp_path / "victim"
    folder.mkdir(0o700)
    if leads_somewhere:
        victim.write_bytes(b"precious")
    (folder / name).symlink_to(victim)
    with pytest.raises(CacheFolderError, match="is a symbolic link") as caught:
        ShardCache(folder, 3000)
    assert f"{folder}/{name}: " in str(caught.value) and f"rm {folder}/{name}" in str(caught.value)
    assert victim.read_bytes() == b"precious" if leads_somewhere else not victim.exists()


def test_a_link_that_comes_later_is_not_followed_either(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    cache, victim = ShardCache(tmp_path / "cache", 3000), tmp_path / "victim"
    victim.write_bytes(b"precious")
    (tmp_path / "cache" / f"{name_of(1)}.part").symlink_to(victim)
    (tmp_path / "cache" / name_of(2)).symlink_to(victim)
    with caplog.at_level(logging.WARNING):
        assert cache.reserve(name_of(1), 100, never) == "no room"
        assert cache.find(name_of(2)) is None and cache.find(name_of(2)) is None
    assert victim.read_bytes() == b"precious"
    assert [record.getMessage().count("is a symbolic link") for record in caplog.records] == [1, 1]
    assert isinstance(cache.reserve(name_of(3), 100, never), Reservation)


def test_a_folder_that_others_may_write_is_warned_of(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache").chmod(0o777)
    with caplog.at_level(logging.WARNING):
        assert put(ShardCache(tmp_path / "cache", 3000), name_of(1), b"abc")
    assert "can be written by other users (mode 777)" in caplog.text and "chmod go-w" in caplog.text
