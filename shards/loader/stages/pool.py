"""A queue of work, the few threads that do it in the order it was given, and answers to wait for.

Promises: `stop` drops what has not begun; with `wait` no thread is left behind it. At the end of the process the
threads stop likewise, before the interpreter takes itself apart: what was given but has not begun is not run first, as
the executors of concurrent.futures do (a loader without `close` would decode its whole look-ahead at Ctrl-C).
Threads start with the first work, so a pool that was never used may be used in a fork of its process. The thread that
gives work and waits for answers takes no lock, because an interrupt might leave it locked; a `SimpleQueue` has none
that Python code could be interrupted in.
Gives up: results and exceptions of what is submitted; the work has to see to both, e.g. by an `Answer`.
"""

from __future__ import annotations

import atexit
import os
import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any, Generic, TypeVar

from shards.base.thread_time import name_thread

_T = TypeVar("_T")
_Work = tuple[Callable[..., None], tuple[Any, ...]]


class Answer(Generic[_T]):
    """One thread's result, a value or an exception, for another one that waits for it."""

    def __init__(self) -> None:
        self._given: SimpleQueue[tuple[_T, None] | tuple[None, BaseException]] = SimpleQueue()

    @property
    def is_there(self) -> bool:
        return not self._given.empty()

    def give(self, value: _T) -> None:
        self._given.put((value, None))

    def fail(self, error: BaseException) -> None:
        self._given.put((None, error))

    def wait(self) -> _T:
        """The value, once; or raise the exception."""
        value, error = self._given.get()
        try:
            if error is not None:
                raise error
            return value  # type: ignore[return-value]
        finally:
            del error  # its traceback knows this frame


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
        """True in a fork of the process that has the threads."""
        return self.pid is not None and self.pid != os.getpid()

    @property
    def stopped(self) -> bool:
        """True if nothing more is to be begun; work that takes long looks at it between its steps."""
        return self._line.stopped

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

    def call(self, function: Callable[..., _T], *arguments: Any) -> _T:
        """Have a thread call the function, and wait for what it returns or raises."""
        answer: Answer[_T] = Answer()
        self.submit(_answer, answer, function, *arguments)
        return answer.wait()

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


def _answer(answer: Answer[_T], function: Callable[..., _T], *arguments: Any) -> None:
    try:
        answer.give(function(*arguments))
    except BaseException as error:
        answer.fail(error)


class _Line:
    """The state that the threads share with their pool."""

    def __init__(self) -> None:
        self.work: SimpleQueue[_Work | None] = SimpleQueue()
        self.stopped = False

    def run(self) -> None:
        name_thread("loader")
        while (work := self.work.get()) is not None:
            if not self.stopped:
                work[0](*work[1])
            del work  # or a waiting thread would keep the last work, and all it refers to, alive
        self.work.put(None)  # for the next thread
