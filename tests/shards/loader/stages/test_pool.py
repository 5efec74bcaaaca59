"""Threads of a pool: first come first served, nothing begun after stop, nothing left behind it."""

from __future__ import annotations

import threading
import weakref

import pytest

from shards.loader.stages.pool import Pool, Replaced
from tests.shards.far_folder import WAIT, until


def names(pool: str) -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith(pool)]


def test_work_is_done_in_order_with_its_arguments() -> None:
    pool, done = Pool(1, "one"), []
    finished = threading.Event()
    for number in range(20):
        pool.submit(done.append, number)
    pool.submit(finished.set)
    assert finished.wait(WAIT)
    pool.stop()
    assert done == list(range(20))


def test_threads_start_with_the_first_work_and_are_gone_after_stop() -> None:
    pool = Pool(3, "lazy")
    assert names("lazy") == [] and pool.pid is None
    pool.submit(lambda: None)
    assert names("lazy") == ["lazy_0", "lazy_1", "lazy_2"]
    pool.stop()
    pool.stop()
    assert names("lazy") == []
    Pool(1, "never").stop()


def test_stop_waits_for_what_has_begun_and_drops_the_rest() -> None:
    pool, done = Pool(1, "busy"), []
    begun, release = threading.Event(), threading.Event()

    def work() -> None:
        begun.set()
        assert release.wait(WAIT)
        done.append("begun")

    pool.submit(work)
    for _ in range(5):
        pool.submit(done.append, "more")
    assert begun.wait(WAIT)
    pool.stop(wait=False)
    release.set()
    pool.stop()
    assert done == ["begun"]


def test_an_idle_thread_keeps_nothing_of_its_last_work_alive() -> None:
    class Thing:
        pass

    pool, finished = Pool(1, "idle"), threading.Event()
    thing = Thing()
    gone = weakref.ref(thing)
    pool.submit(lambda _: None, thing)
    del thing
    pool.submit(finished.set)
    assert finished.wait(WAIT)
    assert gone() is None
    pool.stop()


class Stuck:
    """Work that hangs until it is released, and then finds that its thread was replaced."""

    def __init__(self, pool: Pool) -> None:
        self.began, self.release = threading.Event(), threading.Event()
        self.thread = 0
        pool.submit(self)
        assert self.began.wait(WAIT)

    def __call__(self) -> None:
        self.thread = threading.get_ident()
        self.began.set()
        assert self.release.wait(WAIT)
        raise Replaced("another thread has this one's place")


def test_a_thread_that_hangs_is_replaced_and_ends_when_it_comes_back() -> None:
    pool, done, finished = Pool(1, "hung"), list[str](), threading.Event()
    stuck = Stuck(pool)
    pool.submit(done.append, "in line")
    pool.submit(finished.set)
    pool.replace(stuck.thread, done.append, "its work")
    assert finished.wait(WAIT)
    assert done == ["its work", "in line"] and names("hung") == ["hung_0", "hung_1"]
    [old] = [thread for thread in threading.enumerate() if thread.name == "hung_0"]
    stuck.release.set()
    with pytest.raises(Replaced, match="another thread has this one's place"):
        stuck()
    old.join(WAIT)
    assert names("hung") == ["hung_1"]
    pool.stop()
    assert names("hung") == []


def test_stop_does_not_wait_for_a_thread_that_was_replaced() -> None:
    pool, done = Pool(2, "left"), list[str]()
    stuck = [Stuck(pool), Stuck(pool)]
    for one in stuck:
        pool.replace(one.thread, done.append, "its work")
    pool.stop()
    assert names("left") == ["left_0", "left_1"]
    for one in stuck:
        one.release.set()
    for thread in threading.enumerate():
        if thread.name.startswith("left"):
            thread.join(WAIT)
    assert names("left") == []


def test_of_a_pool_that_stops_a_thread_is_only_let_go() -> None:
    """Whoever waits for the end is told by it; nothing is begun, and no thread of another pool is touched."""
    pool, other, done = Pool(1, "late"), Pool(1, "other"), list[str]()
    stuck = Stuck(pool)
    other.submit(lambda: None)
    stopping = threading.Thread(target=pool.stop)
    stopping.start()
    other.replace(stuck.thread, done.append, "nothing")
    assert stopping.is_alive()
    until(lambda: pool.stopped)
    pool.replace(stuck.thread, done.append, "nothing")
    stopping.join(WAIT)
    assert not stopping.is_alive() and names("late") == ["late_0"] and names("other") == ["other_0"]
    stuck.release.set()
    other.stop()
    assert done == []
