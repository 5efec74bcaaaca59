"""Work a few items ahead in threads, and take the results in order."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future
from typing import TypeVar

Result = TypeVar("Result")

LOOK_AHEAD = 2
"""Media per thread that are read before their turn to be written."""


def in_order(futures: Iterable[Future[Result]], ahead: int) -> Iterator[Result]:
    """The results of futures in their order. They are drawn lazily, `ahead` at a time, so memory is bounded.
    Raises what a future raises, at its turn."""
    waiting: deque[Future[Result]] = deque()
    for future in futures:
        waiting.append(future)
        if len(waiting) > ahead:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()


def done(result: Result) -> Future[Result]:
    """A future of what is known already."""
    future: Future[Result] = Future()
    future.set_result(result)
    return future
