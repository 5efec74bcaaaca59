"""A few threads that run what they are given, first come, first served.

Promises: `stop` drops what has not begun; with `wait` no thread is left behind it. At the end of the process the
threads stop likewise, before the interpreter takes itself apart: what was given but has not begun is not run first, as
the executors of concurrent.futures do (a loader without `close` would decode its whole look-ahead at Ctrl-C).
Threads start with the first work, so a pool that was never used may be used in a fork of its process.
Gives up: results and exceptions; the work has to see to both.
"""

from __future__ import annotations

import atexit
import os
import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any

_Work = tuple[Callable[..., None], tuple[Any, ...]]


class Pool:
    """Threads of one process."""

    def __init__(self, num_threads: int, name: str) -> None:
        self.pid: int | None = None
        """The process that the threads are in, None before the first work."""
        self._num_threads, self._name = num_threads, name
        self._line = _Line()
        self._threads: list[threading.Thread] = []
        self._lock = threading.Lock()

    @property
    def is_elsewhere(self) -> bool:
        """Whether this is a fork of the process that has the threads."""
        return self.pid is not None and self.pid != os.getpid()

    def submit(self, function: Callable[..., None], *arguments: Any) -> None:
        """Have a thread call the function; it must not raise."""
        with self._lock:
            if not self._threads and not self._line.stopped:
                self._start()
        self._line.work.put((function, arguments))

    def stop(self, wait: bool = True) -> None:
        """Begin nothing more; wait: until the threads have ended. Calling it again does nothing."""
        if self.is_elsewhere:
            return
        with self._lock:
            self._line.stopped = True
        if not self._threads:
            return
        atexit.unregister(self.stop)
        for _ in self._threads:
            self._line.work.put(None)
        if wait:
            for thread in self._threads:
                thread.join()

    def _start(self) -> None:
        self.pid = os.getpid()
        # Daemons, so that the end of the process does not wait for them before `stop` is called.
        atexit.register(self.stop)
        for number in range(self._num_threads):
            name = f"{self._name}_{number}"
            thread = threading.Thread(target=self._line.run, name=name, daemon=True)
            thread.start()
            self._threads.append(thread)


class _Line:
    """What the threads know of their pool."""

    def __init__(self) -> None:
        self.work: SimpleQueue[_Work | None] = SimpleQueue()
        self.stopped = False

    def run(self) -> None:
        while (work := self.work.get()) is not None:
            if not self.stopped:
                function, arguments = work
                function(*arguments)
            del work  # or a waiting thread would keep the last work, and all it refers to, alive
