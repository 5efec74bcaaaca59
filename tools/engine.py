"""Engines of a conversion: they do the work on rows somewhere, and give the results back in the order of the rows.

An engine takes a function and the rows, draws rows a few ahead of the results, so that memory is bounded, and raises
what the work raises at its turn. `threads` is the one for a single machine.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Protocol, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

LOOK_AHEAD = 2
"""Rows per thread that are worked on before their turn to be written."""


class Engine(Protocol):
    """Where the work on rows is done."""

    def __call__(self, work: Callable[[Item], Result], items: Iterable[Item]) -> Generator[Result, None, None]:
        """The results of all items, in order; closing it stops the work."""


def threads(number: int) -> Engine:
    """Threads of this process. What reads, decodes and encodes releases the interpreter lock."""

    def run(work: Callable[[Item], Result], items: Iterable[Item]) -> Generator[Result, None, None]:
        waiting: deque[Future[Result]] = deque()
        pool = ThreadPoolExecutor(number, thread_name_prefix="convert")
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
