"""CPU time of background threads: whose is counted, and that it only grows."""

from __future__ import annotations

import _thread
import sys
import threading
import time
from collections.abc import Callable

import pytest

from shards.base.thread_time import BackgroundTime, name_thread

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="threads are read from /proc")
WORK = 0.05


class _Working:
    """A thread that works for WORK seconds of CPU time, and stays until it is let go."""

    def __init__(self, prepare: Callable[[], None] = lambda: None, name: str = "shards-test") -> None:
        self._prepare, self._let_go, self.done = prepare, threading.Event(), threading.Event()
        self.thread = threading.Thread(target=self.run, name=name)

    def run(self) -> None:
        self._prepare()
        end = time.thread_time() + WORK
        while time.thread_time() < end:
            pass
        self.done.set()
        self._let_go.wait()

    def __enter__(self) -> None:
        self.thread.start()
        self.done.wait()

    def __exit__(self, *_: object) -> None:
        self._let_go.set()
        self.thread.join()


def test_a_thread_of_ours_is_counted_and_others_are_not() -> None:
    background = BackgroundTime()
    with _Working(name="somebody"):
        others = background.seconds()
        with _Working():
            assert WORK <= background.seconds() - others < 100 * WORK
    assert others < WORK


def test_a_thread_that_a_library_starts_from_ours_is_counted() -> None:
    background, inner = BackgroundTime(), _Working()
    outer = threading.Thread(
        target=lambda: (name_thread("test"), _thread.start_new_thread(inner.run, ())), name="somebody"
    )
    outer.start()
    outer.join()
    inner.done.wait()
    try:
        assert background.seconds() >= WORK
    finally:
        inner._let_go.set()


def test_what_ended_threads_did_stays_counted() -> None:
    background = BackgroundTime()
    with _Working():
        before = background.seconds()
    assert background.seconds() >= before >= WORK
    with _Working():
        assert background.seconds() >= before + WORK


def test_a_later_start_counts_from_there() -> None:
    with _Working():
        assert BackgroundTime().seconds() < WORK
