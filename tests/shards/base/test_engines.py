"""Threads give results in order; few items are drawn ahead; errors come at their turn; processes that die are named."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator

import pytest

from shards.base.engines import LOOK_AHEAD, processes, threads
from shards.base.errors import ProcessDied


def test_results_come_in_order_and_rows_are_drawn_as_far_ahead_as_was_asked() -> None:
    drawn: list[int] = []

    def rows() -> Iterator[int]:
        for number in range(10):
            drawn.append(number)
            yield number

    for number, result in enumerate(threads(2)(lambda n: n * n, rows())):
        assert result == number * number and len(drawn) == min(10, number + 2 * LOOK_AHEAD + 1)


def test_an_error_comes_at_its_turn_and_no_thread_stays() -> None:
    def work(number: int) -> int:
        if number == 1:
            raise OSError("disk")
        return number

    results = threads(1)(work, range(3))
    assert next(results) == 0
    with pytest.raises(OSError, match="disk"):
        next(results)
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("engine")]


def test_leaving_early_stops_the_work() -> None:
    results = threads(2)(lambda number: number, iter(range(1000)))
    assert next(results) == 0
    results.close()
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("engine")]


def test_processes_give_what_is_done_and_draw_as_far_ahead() -> None:
    drawn: list[int] = []

    def items() -> Iterator[int]:
        for number in range(-10, 0):
            drawn.append(number)
            yield number

    results = processes(2)(abs, items())
    found = [next(results)]
    assert len(drawn) == 2 * LOOK_AHEAD
    assert sorted([*found, *results]) == list(range(1, 11))


def test_a_process_that_dies_names_what_was_worked_on() -> None:
    with pytest.raises(ProcessDied, match="a process died at work") as caught:
        list(processes(1)(os._exit, [3]))
    assert caught.value.items == [3]
