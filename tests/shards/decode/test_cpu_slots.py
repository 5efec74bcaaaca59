"""Slots of the CPU: never more holders than slots, whatever is taken from threads, and none is lost."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from shards.decode.cpu_slots import CpuSlots
from tests.shards.far_folder import WAIT, until


class Holder:
    """A thread that takes a slot, and keeps it until it is told to leave."""

    def __init__(self, slots: CpuSlots) -> None:
        self.has_it, self._leave = threading.Event(), threading.Event()
        self._own = threading.Thread(target=self._hold, args=(slots,))
        self._own.start()
        assert self._own.ident is not None
        self.thread = self._own.ident

    def _hold(self, slots: CpuSlots) -> None:
        with slots.use():
            self.has_it.set()
            assert self._leave.wait(WAIT)

    def leave(self) -> None:
        self._leave.set()
        self._own.join(WAIT)
        assert not self._own.is_alive()


def test_no_more_threads_than_slots_are_inside() -> None:
    slots, lock, inside, most = CpuSlots(2), threading.Lock(), 0, 0

    def work(_: int) -> None:
        nonlocal inside, most
        with slots.use():
            with lock:
                inside += 1
                most = max(most, inside)
            threading.Event().wait(0.001)
            with lock:
                inside -= 1

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(work, range(60)))
    assert most == 2


def test_it_is_known_who_waits() -> None:
    slots = CpuSlots(1)
    first = Holder(slots)
    assert first.has_it.wait(WAIT)
    second = Holder(slots)
    until(lambda: slots.is_waiting(second.thread))
    assert not slots.is_waiting(first.thread) and not second.has_it.is_set()
    first.leave()
    assert second.has_it.wait(WAIT)
    until(lambda: not slots.is_waiting(second.thread))
    second.leave()


def test_a_slot_that_was_taken_from_its_thread_comes_back_once() -> None:
    slots = CpuSlots(1)
    hung = Holder(slots)
    assert hung.has_it.wait(WAIT)
    slots.free(hung.thread)
    second = Holder(slots)
    assert second.has_it.wait(WAIT)
    hung.leave()
    third = Holder(slots)
    until(lambda: slots.is_waiting(third.thread))
    assert not third.has_it.is_set()
    slots.free(third.thread)  # it has none
    assert not third.has_it.is_set()
    second.leave()
    assert third.has_it.wait(WAIT)
    third.leave()


def test_an_error_inside_gives_the_slot_back() -> None:
    slots = CpuSlots(1)
    for _ in range(2):
        with pytest.raises(ValueError, match="inside"), slots.use():
            raise ValueError("inside")
