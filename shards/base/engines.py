"""Engines: where the work on many items is done, in threads or processes of this machine.

An engine takes a function and the items, draws items a few ahead of the results, so that memory is bounded, and raises
what the function raises. build, transcode, export, index and verify take one.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from typing import Protocol, TypeVar

from shards.base.errors import ProcessDied
from shards.base.processes import process_pool

Item = TypeVar("Item")
Result = TypeVar("Result")

LOOK_AHEAD = 2
"""Items per thread or process that are drawn before their turn."""


class Engine(Protocol):
    """Runs work on many items: in threads, or in processes."""

    def __call__(self, work: Callable[[Item], Result], items: Iterable[Item]) -> Generator[Result, None, None]:
        """The results of all items; closing it stops the work."""


def threads(number: int) -> Engine:
    """Threads of this process; results come in the order of the items.

    It pays where the work releases the interpreter lock, as reading, hashing, decoding and encoding do.
    """

    def run(work: Callable[[Item], Result], items: Iterable[Item]) -> Generator[Result, None, None]:
        waiting: deque[Future[Result]] = deque()
        pool = ThreadPoolExecutor(number, thread_name_prefix="engine")
        try:
            for item in items:
                waiting.append(pool.submit(work, item))
                if len(waiting) > LOOK_AHEAD * number:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)

    return run


def processes(number: int) -> Engine:
    """Processes that end with this one; results come as they are done. Function and items have to be picklable.

    Raises ProcessDied and, from process_pool, CannotStart.
    """

    def run(work: Callable[[Item], Result], items: Iterable[Item]) -> Generator[Result, None, None]:
        waiting = iter(items)
        running: dict[Future[Result], Item] = {}
        try:
            with process_pool(number) as pool:
                while True:
                    while len(running) < LOOK_AHEAD * number and (item := next(waiting, None)) is not None:
                        running[pool.submit(work, item)] = item
                    if not running:
                        return
                    done, _ = wait(running, return_when=FIRST_COMPLETED)
                    for future in done:
                        yield future.result()
                        del running[future]
        except BrokenProcessPool as error:
            raise ProcessDied(
                "a process died at work (out of memory, or a medium that crashes its decoder)", list(running.values())
            ) from error

    return run


in_processes = processes
"""The same for other packages: `shards.base.processes` is a module."""
