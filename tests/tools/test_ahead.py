"""Results come in order, few futures are drawn ahead of them, and an error comes at its turn."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from tools.ahead import done, in_order


def test_results_come_in_order_and_futures_are_drawn_as_far_ahead_as_was_asked() -> None:
    drawn: list[int] = []

    def futures(pool: ThreadPoolExecutor) -> Iterator[Future[int]]:
        for number in range(10):
            drawn.append(number)
            yield pool.submit(lambda n=number: n * n) if number % 2 else done(number * number)

    with ThreadPoolExecutor(2) as pool:
        for number, result in enumerate(in_order(futures(pool), 3)):
            assert result == number * number and len(drawn) == min(10, number + 4)


def test_an_error_comes_at_its_turn() -> None:
    failed: Future[int] = Future()
    failed.set_exception(OSError("disk"))
    results = in_order([done(1), failed, done(3)], 1)
    assert next(results) == 1
    with pytest.raises(OSError, match="disk"):
        next(results)
