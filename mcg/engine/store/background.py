"""Saving while training goes on: one thread copies what is saved into host memory, and writes the copy.

Nothing that is saved changes before the next update of the weights, so the copy is taken beside the next forward and
backward pass: the engine calls `wait_for_copy` before it updates. (Running statistics would change; no model here has
any.) At most one save is under way.
The thread takes no part in the ranks' communication, which belongs to the training: ranks tell each other through files
(gathering.py). A process that is killed takes its thread with it, and the checkpoint under way stays absent; one that
ends by an error gives it END_SECONDS, since a thread that comes back from torch while the interpreter ends aborts it.
"""

from __future__ import annotations

import atexit
import threading
from collections.abc import Callable

from mcg.engine.store.contents import Contents, HostCopy, Moment

END_SECONDS = 20.0
"""For a save that is under way when the process ends: where another rank is gone its report never comes."""


class Background:
    """One thread for saves, and the room for their copies."""

    def __init__(self) -> None:
        self._copy = HostCopy()
        self._copied = threading.Event()
        self._copied.set()
        self._thread: threading.Thread | None = None
        self._problem: str | None = None
        atexit.register(self._end)

    def start(self, contents: Contents, work: Callable[[Callable[[], Contents]], str | None]) -> None:
        """Run a save; the one before must have been waited for. work: gets what takes the copy and must call it first;
        it returns what went wrong, in words."""
        assert self._thread is None
        now = Moment(contents)
        self._copied.clear()

        def take() -> Contents:
            try:
                return self._copy.take(contents, now)
            finally:
                self._copied.set()

        def run() -> None:
            try:
                self._problem = work(take)
            finally:
                self._copied.set()

        self._thread = threading.Thread(target=run, name="checkpoint", daemon=True)
        self._thread.start()

    def wait_for_copy(self) -> None:
        """Wait until what is being saved may change."""
        self._copied.wait()

    def wait(self) -> str | None:
        """Wait for the save that is under way, if any; returns what went wrong with it."""
        if self._thread is None:
            return None
        self._thread.join()
        self._thread = None
        problem, self._problem = self._problem, None
        return problem

    def _end(self) -> None:
        if self._thread is not None:
            self._thread.join(END_SECONDS)
