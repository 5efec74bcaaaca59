"""The threads of a loader that may use the CPU at the same time, where more threads wait for a GPU.

A thread that waits for a slot decodes nothing, so the time is not its clip's (shards/loader/stages/watch.py asks). A
thread that hangs with a slot has it no more once its clip is given up, for another one goes on in its place.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class CpuSlots:
    """As many slots as threads may use the CPU at the same time; for any number of threads."""

    def __init__(self, count: int) -> None:
        self._free = threading.Semaphore(count)
        # Numbers of threads; one operation on a set is whole for all threads.
        self._waiting: set[int] = set()
        self._holders: set[int] = set()

    @contextmanager
    def use(self) -> Iterator[None]:
        """Wait for a slot, and have it inside the block."""
        thread = threading.get_ident()
        self._waiting.add(thread)
        try:
            self._free.acquire()
            self._holders.add(thread)
        finally:
            self._waiting.remove(thread)
        try:
            yield
        finally:
            self.free(thread)

    def is_waiting(self, thread: int) -> bool:
        """Whether a thread waits for a slot."""
        return thread in self._waiting

    def free(self, thread: int) -> None:
        """Take its slot from a thread; nothing where it has none, or has it no more."""
        try:
            self._holders.remove(thread)
        except KeyError:
            return
        self._free.release()
