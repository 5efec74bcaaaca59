"""A folder that plays a store far away: what it is asked is written down, held up, refused or answered wrongly."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import xxhash

from shards.base.errors import SourceError
from shards.storage.local import LocalSource
from shards.storage.source import Stat

WAIT = 60.0
"""Seconds after which what does not come is taken for lost, not for late."""


class FarFolder:
    """A Source. `gate` closed (cleared): whole shards and parts, not smaller ranges, wait for it."""

    def __init__(self, folder: Path, url: str = "far://store/data", small: int = 1000) -> None:
        self.url = url
        self.log: list[tuple[str, str, int, int]] = []
        """(verb, name, offset, length) of every request, when it begins."""
        self.gate = threading.Event()
        self.gate.set()
        self.waiting = threading.Semaphore(0)
        """Released by each request that comes to the gate."""
        self.spoil: Callable[[str, bytes], bytes] = lambda name, data: data
        self.versions: dict[str, str] = {}
        self.broken: set[str] = set()
        self.most_in_flight = 0
        self._in_flight = 0
        self._lock = threading.Lock()
        self._small = small
        self._folder = str(folder)
        self.reopen()

    def reopen(self) -> None:
        """Be a source anew: one reads one version of each file."""
        self._local = LocalSource(self._folder)

    def list(self, suffix: str = "") -> list[str]:
        return self._local.list(suffix)

    def stat(self, name: str) -> Stat:
        self.log.append(("stat", name, 0, 0))
        return Stat(self._local.stat(name).size, self.versions.get(name, "ETag=1"))

    def stat_many(self, names: Sequence[str], known: bool = False) -> list[Stat]:
        return [self.stat(name) for name in names]

    def read(self, name: str, offset: int = 0, length: int | None = None) -> bytes:
        with self._lock:
            self.log.append(("read", name, offset, -1 if length is None else length))
            self._in_flight += 1
            self.most_in_flight = max(self.most_in_flight, self._in_flight)
        try:
            if length is None or length > self._small:
                self.waiting.release()
                assert self.gate.wait(WAIT)
            if name in self.broken:
                raise SourceError(f"{self.url}/{name}: broken")
            return self.spoil(name, self._local.read(name, offset, length))
        finally:
            with self._lock:
                self._in_flight -= 1

    def read_many(self, ranges: Sequence[tuple[str, int, int]]) -> list[bytes]:
        return [self.read(*range_) for range_ in ranges]

    def downloads(self) -> list[str]:
        """Names of the shards whose large ranges were asked for, in order."""
        return [name for verb, name, _, length in self.log if verb == "read" and not 0 <= length <= self._small]


def download_threads() -> list[threading.Thread]:
    """The threads of this process that bring shards."""
    return [thread for thread in threading.enumerate() if thread.name == "shards-download"]


def download_threads_ended() -> bool:
    """Wait for the threads that bring shards, of which `Downloads.close` takes leave after a second."""
    for thread in download_threads():
        thread.join(WAIT)
    return not download_threads()


def until(holds: Callable[[], object]) -> None:
    """Wait until something holds; a failure after WAIT seconds."""
    end, pause = time.monotonic() + WAIT, threading.Event()
    while not holds():
        assert time.monotonic() < end
        pause.wait(0.001)


def write_shards(folder: Path, num_shards: int, size: int = 5000, seed: int = 0) -> dict[str, tuple[int, str]]:
    """Files of random bytes; what an index would know of them."""
    folder.mkdir(parents=True, exist_ok=True)
    known = {}
    for number in range(num_shards):
        data = np.random.default_rng([seed, number]).bytes(size + number)
        name = f"{number:06}.tar"
        (folder / name).write_bytes(data)
        known[name] = (len(data), xxhash.xxh3_128_hexdigest(data))
    return known
