"""Worker processes: started afresh, so that they share no thread and no client with this one. And this one, for a
while without its garbage collector.

A process that is started afresh imports the program of its parent. Where that program calls us at its top level,
outside `if __name__ == "__main__":`, the import would start processes in turn, without end; Python stops it with a
traceback in each of them, and the parent sees only that they died. Here they end quietly, and the parent says what to
do.
"""

from __future__ import annotations

import gc
import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from typing import Any, cast

from shards.base.errors import CannotStart


@contextmanager
def no_garbage_collection() -> Iterator[None]:
    """Switch the garbage collector off for a block that makes much and drops little: it would start several times, and
    each run visits every object of the process. A scan of 20,000 members of a tar takes a fifth less, and so do the
    imports of torch, DeepSpeed and BERT (1.1 of 5.2 CPU seconds)."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


@contextmanager
def process_pool(num_processes: int) -> Iterator[ProcessPoolExecutor]:
    """A pool of worker processes that end with this one, however it ends.

    Raises CannotStart where none of them came as far as its first task, and BrokenProcessPool where one died at work.
    """
    import multiprocessing

    end_unguarded_import()
    context = multiprocessing.get_context("spawn")
    started = context.Event()
    initializer = cast("Callable[[Any], None]", _begin)
    pool = ProcessPoolExecutor(num_processes, context, initializer=initializer, initargs=(started,))
    try:
        yield pool
    except BrokenProcessPool as error:
        if started.is_set():
            raise
        raise CannotStart(
            "the processes that do the work could not import the program that started them; put its code under "
            'if __name__ == "__main__": as Python\'s multiprocessing asks, or use one process (jobs=1)'
        ) from error
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def end_unguarded_import() -> None:
    """End this process if it is a worker that is importing the program of its parent, and that program calls us."""
    import multiprocessing

    if getattr(multiprocessing.current_process(), "_inheriting", False):
        raise SystemExit(1)  # its parent says what to do


def _begin(started: Any) -> None:
    """Report that this new process has started, and exit at once when the parent is gone."""
    import multiprocessing

    parent = multiprocessing.parent_process()
    assert parent is not None
    started.set()

    def watch() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
