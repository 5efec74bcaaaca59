"""A file is locked as long as somebody holds it, and not by forks of a dead process."""

from __future__ import annotations

import os
from pathlib import Path

from shards.cache.reservation import Reservation
from shards.cache.shard_cache import ShardCache
from tests.shards.cache.small_cache import DOWNLOAD, line, name_of, never, process, put


def test_what_is_released_may_be_evicted_and_read_to_the_end(tmp_path: Path) -> None:
    cache = ShardCache(tmp_path, 1000)
    part = cache.reserve(name_of(1), 1000, never)
    assert isinstance(part, Reservation)
    part.write(0, b"x" * 1000)
    shard = part.commit()
    assert shard is not None and not put(cache, name_of(2), bytes(1000))
    shard.release()
    assert put(cache, name_of(2), bytes(1000)) and shard.read(990, 20) == b"x" * 10


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
