"""The CPU time of the threads that work in the background, all loaders of this process together.

Counted are threads whose name begins with "shards-", the thread of fsspec that talks to stores, and threads that
libraries start from one of them (decoders, Arrow): on Linux a thread inherits the name of the one that starts it.
Promises: seconds only grow, also when threads end; a thread that ends takes with it what it did since the last reading.
Exact to the microsecond elsewhere. Where there is no /proc (not Linux) nothing is counted.
"""

from __future__ import annotations

import os
import threading
import time
from contextlib import suppress
from pathlib import Path

_TASKS = Path("/proc/self/task")
_PREFIX = "shards-"
_STORES = "fsspecIO"
"""The name that fsspec gives to its thread."""


def name_thread(name: str) -> None:
    """Give the calling thread a name in the kernel, which `top -H` shows: "shards-" and at most eight letters."""
    with suppress(OSError):
        (_TASKS / str(threading.get_native_id()) / "comm").write_text(_PREFIX + name)


class BackgroundTime:
    """The CPU seconds of the background threads since this was made; one thread at a time may ask."""

    def __init__(self) -> None:
        self._is_ours: dict[int, bool] = {}
        """Whether a thread is counted, by its number."""
        self._before = self._read()
        self._total = 0.0

    def seconds(self) -> float:
        """CPU seconds so far."""
        now = self._read()
        self._total += sum(seconds - self._before.get(thread, 0.0) for thread, seconds in now.items())
        self._before = now
        return self._total

    def _read(self) -> dict[int, float]:
        """CPU seconds of each thread that is counted and lives."""
        try:
            threads = [int(name) for name in os.listdir(_TASKS)]
        except OSError:
            return {}
        if threads != list(self._is_ours):
            # Python's name is there before the thread runs; the kernel's is set by the thread itself, a little later.
            python = {t.native_id for t in threading.enumerate() if t.name.startswith((_PREFIX, _STORES))}
            self._is_ours = {thread: thread in python or _is_named(thread) for thread in threads}
        found = {}
        for thread in threads:
            if self._is_ours[thread]:
                with suppress(OSError):  # it has ended
                    found[thread] = time.clock_gettime(_cpu_clock(thread))
        return found


def _is_named(thread: int) -> bool:
    try:
        return (_TASKS / str(thread) / "comm").read_text().startswith(_PREFIX)
    except OSError:
        return False


def _cpu_clock(thread: int) -> int:
    """The kernel's clock of a thread's CPU time (`MAKE_THREAD_CPUCLOCK` of Linux). Unlike
    `time.pthread_getcpuclockid` it may be asked for a thread that has ended, which is an OSError."""
    return (~thread << 3) | 6
