"""Threads of a pool: first come first served, nothing begun after stop, nothing left behind it."""

from __future__ import annotations

import threading
import weakref

from shards.loader.stages.pool import Pool
from tests.shards.far_folder import WAIT


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
