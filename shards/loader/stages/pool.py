"""A few threads that run what they are given, first come, first served.

Promises: `stop` drops what has not begun; with `wait` no thread is left behind it. At the end of the process the
threads stop likewise, before the interpreter takes itself apart: what was given but has not begun is not run first, as
the executors of concurrent.futures do (a loader without `close` would decode its whole look-ahead at Ctrl-C).
Threads start with the first work, so a pool that was never used may be used in a fork of its process. No lock is taken,
which an interrupt of the thread that gives the work might leave locked.
Gives up: results and exceptions of what is submitted; the work has to see to both.
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
        self._all_started = False

    @property
    def is_elsewhere(self) -> bool:
        """Whether this is a fork of the process that has the threads."""
        return self.pid is not None and self.pid != os.getpid()

    def start(self) -> None:
        """Start the threads, if they have not all started: an interrupt may leave some to the next call. The first
        calls of this and of `submit` have to come from one thread."""
        if self._all_started or self._line.stopped:
            return
        self.pid = os.getpid()
        # Daemons, so that the end of the process does not wait for them before `stop` is called.
        atexit.unregister(self.stop)
        atexit.register(self.stop)
        for number in range(sum(thread.is_alive() for thread in self._threads), self._num_threads):
            name = f"{self._name}_{number}"
            thread = threading.Thread(target=self._line.run, name=name, daemon=True)
            self._threads.append(thread)
            thread.start()
        self._all_started = True

    def submit(self, function: Callable[..., None], *arguments: Any) -> None:
        """Have a thread call the function; it must not raise."""
        self.start()
        self._line.work.put((function, arguments))

    def call(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """Have a thread call the function, and wait for what it returns or raises."""
        answer: SimpleQueue[tuple[Any, BaseException | None]] = SimpleQueue()
        self.submit(_answer, answer, function, *arguments)
        returned, error = answer.get()
        if error is not None:
            raise error
        return returned

    def stop(self, wait: bool = True) -> None:
        """Begin nothing more; wait: until the threads have ended. Calling it again only waits."""
        if self.is_elsewhere:
            return
        self._line.stopped = True
        if not self._threads:
            return
        atexit.unregister(self.stop)
        self._line.work.put(None)
        if wait:
            for thread in self._threads:
                if thread.ident is not None:  # an interrupt may have come before its start
                    thread.join()


def _answer(
    answer: SimpleQueue[tuple[Any, BaseException | None]], function: Callable[..., Any], *arguments: Any
) -> None:
    try:
        answer.put((function(*arguments), None))
    except BaseException as error:
        answer.put((None, error))


class _Line:
    """What the threads know of their pool."""

    def __init__(self) -> None:
        self.work: SimpleQueue[_Work | None] = SimpleQueue()
        self.stopped = False

    def run(self) -> None:
        while (work := self.work.get()) is not None:
            if not self.stopped:
                work[0](*work[1])
            del work  # or a waiting thread would keep the last work, and all it refers to, alive
        self.work.put(None)  # for the next thread
