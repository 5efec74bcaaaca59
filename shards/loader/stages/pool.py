"""A queue of work, the few threads that do it in the order it was given, and answers to wait for.

Promises: `stop` drops what has not begun; with `wait` no thread is left behind it. At the end of the process the
threads stop likewise, before the interpreter takes itself apart: what was given but has not begun is not run first, as
the executors of concurrent.futures do (a loader without `close` would decode its whole look-ahead at Ctrl-C).
Threads start with the first work, so a pool that was never used may be used in a fork of its process. The thread that
gives work and waits for answers takes no lock, because an interrupt might leave it locked; a `SimpleQueue` has none
that Python code could be interrupted in. A thread that hangs in its work can be replaced (`replace`): nobody waits for
it any more, and if it ever comes back, its work raises `Replaced`, which ends it.
Gives up: results and exceptions of what is submitted; the work has to see to both, e.g. by an `Answer`.
"""

from __future__ import annotations

import atexit
import os
import threading
from collections import deque
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any, Generic, TypeVar

from shards.base.thread_time import name_thread

_T = TypeVar("_T")
_Work = tuple[Callable[..., None], tuple[Any, ...]]
_LOOK_AGAIN_S = 0.05
"""Seconds after which whoever waits for a thread looks whether it was replaced."""


class Replaced(BaseException):
    """Raised by work whose thread was replaced while it hung. Not an Exception: whatever handles failed work lets it
    pass."""


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
        self._num_started = num_threads

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
        atexit.unregister(self.stop)
        atexit.register(self.stop)
        for number in range(sum(thread.is_alive() for thread in self._threads), self._num_threads):
            self._threads.append(self._thread(number))
            self._threads[-1].start()
        self._all_started = True

    def submit(self, function: Callable[..., None], *arguments: Any) -> None:
        """Have a thread call the function; it must raise nothing but `Replaced`."""
        self.start()
        self._line.work.put((function, arguments))

    def call(self, function: Callable[..., _T], *arguments: Any) -> _T:
        """Have a thread call the function, and wait for what it returns or raises."""
        answer: Answer[_T] = Answer()
        self.submit(_answer, answer, function, *arguments)
        return answer.wait()

    def replace(self, thread_id: int, function: Callable[..., None], *arguments: Any) -> None:
        """Have a new thread in the place of one that hangs, and this work done next, unless the pool has stopped. A
        thread that is none of this pool's is left alone. For one thread at a time, beside the one that submits. Raises
        RuntimeError where the system gives no thread."""
        threads = [thread for thread in self._threads if thread.ident != thread_id]
        if len(threads) == len(self._threads):
            return
        try:
            if not self._line.stopped:
                self._line.urgent.append((function, arguments))
                new = self._thread(self._num_started)
                new.start()
                self._num_started += 1
                threads.append(new)
        finally:
            self._threads = threads  # in one step, and the new one runs by then: `stop` misses neither

    def stop(self, wait: bool = True) -> None:
        """Begin nothing more; wait: until the threads have ended that were not replaced. Calling it again only
        waits."""
        if self.is_elsewhere:
            return
        self._line.stopped = True
        if not self._threads:
            return
        atexit.unregister(self.stop)
        self._line.work.put(None)
        while wait and (left := [thread for thread in self._threads if thread.is_alive()]):
            left[0].join(_LOOK_AGAIN_S)

    def _thread(self, number: int) -> threading.Thread:
        # A daemon, so that the end of the process does not wait for it before `stop` is called.
        return threading.Thread(target=self._line.run, name=f"{self._name}_{number}", daemon=True)


def _answer(answer: Answer[_T], function: Callable[..., _T], *arguments: Any) -> None:
    try:
        answer.give(function(*arguments))
    except BaseException as error:
        answer.fail(error)


class _Line:
    """The state that the threads share with their pool."""

    def __init__(self) -> None:
        self.work: SimpleQueue[_Work | None] = SimpleQueue()
        self.urgent: deque[_Work] = deque()
        """Work to be done before that; whoever adds some starts a thread for it."""
        self.stopped = False

    def run(self) -> None:
        name_thread("loader")
        while (work := self._next()) is not None:
            if not self.stopped:
                try:
                    work[0](*work[1])
                except Replaced:
                    return
            del work  # or a waiting thread would keep the last work, and all it refers to, alive
        self.work.put(None)  # for the next thread

    def _next(self) -> _Work | None:
        try:
            return self.urgent.popleft()
        except IndexError:
            return self.work.get()
