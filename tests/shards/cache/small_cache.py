"""Small caches for the tests: shards by number, and other processes that hold or download them."""

from __future__ import annotations

import math
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from shards.cache.file_names import shard_identity
from shards.cache.reservation import Reservation
from shards.cache.shard_cache import ShardCache
from tests.shards.conftest import REPOSITORY

IMPORTS = """
import math, os, sys
from shards.cache.file_names import shard_identity
from shards.cache.reservation import Reservation
from shards.cache.shard_cache import ShardCache
"""

DOWNLOAD = """
cache = ShardCache(sys.argv[1], 3000)
part = cache.reserve(sys.argv[2], 1000, lambda _: math.inf)
part.write(0, b"x" * 500)
print("half", flush=True)
sys.stdin.read()
"""


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


@contextmanager
def process(code: str, *arguments: object) -> Iterator[subprocess.Popen[str]]:
    """A Python of its own, killed at the end."""
    child = subprocess.Popen(
        [
            sys.executable,
            "-c",
            IMPORTS + code,
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
