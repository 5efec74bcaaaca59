"""Statistics of a loader: its time by stage, the fill of its queue, and the accounts of its elements.

Promises: bounded memory and less than about a microsecond per note, however long the run: each stage has a count, a
sum and a histogram with eight buckets an octave, so quantiles are right to 6 %. Seconds of a stage are summed over
threads; `wait` is what the consumer stood still for. When it waits, the stage with the most thread seconds in the same
interval is the one to speed up (`Snapshot.slowest`). The queue is looked at when the consumer asks for a batch, and
elements are counted when one is handed over. Snapshots subtract, so an interval is `after - before`; and add.
Gives up: times of single elements, and exact quantiles.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import NamedTuple, Protocol

from shards.base.thread_time import BackgroundTime
from shards.loader.accounting import Accounting
from shards.loader.contention import Contention, Steps
from shards.loader.snapshot import STAGES, WAIT, Queue, Snapshot
from shards.loader.times import Clock
from shards.order.plan import RunPosition


@dataclass(frozen=True, slots=True)
class HandedOver:
    """The place of a loader and the accounts up to it: one object, put in place by one assignment, so that both change
    together or not at all wherever an interrupt comes."""

    place: RunPosition
    """The place before the next batch."""
    num_batches: int = 0
    """Batches since the loader was made, whatever places it was sent to."""
    elements: Accounting = field(default_factory=Accounting)


class _Timer:
    """A block that is timed, also when it raises; cheaper than a generator made into a context manager."""

    __slots__ = ("_clock", "_items", "_start")

    def __init__(self, clock: Clock, items: int) -> None:
        self._clock, self._items = clock, items

    def __enter__(self) -> None:
        self._start = time.perf_counter_ns()

    def __exit__(self, *_: object) -> None:
        self._clock.note(time.perf_counter_ns() - self._start, self._items)


class Stats:
    """Counters that the threads of one loader share; the consumer's are its thread's alone. traffic: reads those of its
    sources."""

    def __init__(self, traffic: Callable[[], dict[str, float]] = dict) -> None:
        self._traffic = traffic
        self._lock = threading.Lock()
        # What the consumer's thread notes takes no lock, which an interrupt might leave locked.
        self._clocks = {stage: Clock(alone=stage == WAIT) for stage in (*STAGES, WAIT)}
        self._started = time.perf_counter()
        self.handed = HandedOver(RunPosition(0, ()))
        self._queue = Queue()
        self._decoded: Counter[str] = Counter()
        self._given_up = self._replaced_threads = 0
        self._cpu = BackgroundTime()
        self.contention = Contention()
        """Kept by the StepTimer of the training loop, if it has one."""

    def time(self, stage: str, items: int = 1) -> _Timer:
        """Add the time of a block to a stage that works on this many items at once."""
        return _Timer(self._clocks[stage], items)

    def note(self, stage: str, start: int, items: int = 1) -> None:
        """Add the time since `start` (of perf_counter_ns) to a stage: what `time` does, at half the cost, for what is
        done for each sample."""
        self._clocks[stage].note(time.perf_counter_ns() - start, items)

    def waiting(self) -> _Timer:
        """Add the time of a block to what the consumer waited."""
        return _Timer(self._clocks[WAIT], 1)

    def found(self, ready: int, batches: int, num_bytes: int) -> None:
        """Note what lies in the queue when the consumer asks: finished batches, all batches, their decoded bytes."""
        self._queue += Queue(1, ready, int(ready == 0), ready, batches, num_bytes)

    def count_decoded(self, way: str) -> None:
        """Count a clip by the way it went: "dali", "torchcodec", or "cpu: REASON"."""
        with self._lock:
            self._decoded[way] += 1

    def count_given_up(self, threads: int = 0) -> None:
        """Count a clip that was given up for its time, and the threads that were replaced for it."""
        with self._lock:
            self._given_up += 1
            self._replaced_threads += threads

    def snapshot(self) -> Snapshot:
        times = {stage: clock.times() for stage, clock in self._clocks.items()}
        traffic, decoded, handed = self._traffic(), dict(self._decoded), self.handed
        elapsed = time.perf_counter() - self._started
        return Snapshot(
            times,
            handed.num_batches,
            handed.elements,
            self._queue,
            elapsed,
            traffic,
            decoded,
            self._cpu.seconds(),
            self.contention,
            self._given_up,
            self._replaced_threads,
        )

    @property
    def accounting(self) -> Accounting:
        return self.handed.elements


HOLD_EVERY = 4
"""Steps from one that is held to the next."""
_WARM_UP = 3
"""First steps that are not compared: they import, allocate and compile."""


class _Timed(Protocol):
    """A loader as a StepTimer uses it."""

    stats: Stats
    hold: bool

    @property
    def num_ready(self) -> int: ...


class StepTime(NamedTuple):
    """What a step took."""

    seconds: float
    """Wall time."""
    data: Snapshot
    """The loader's statistics of the step."""


class StepTimer:
    """Times the steps of a training loop, and holds the loader in every fourth (shards/loader/contention.py).

    No batch and no order changes, and a step is held only when what the next step needs is ready as well. What a held
    step does not begin the next one does, so holding costs nothing on the whole.
    """

    def __init__(self, loader: _Timed, num_batches: int = 1) -> None:
        """num_batches: batches that a step asks for."""
        self._loader, self._num_batches = loader, num_batches
        self._steps = 0

    def begin(self) -> None:
        """A step begins: call it before the step asks for its batches."""
        is_due = self._steps % HOLD_EVERY == HOLD_EVERY - 1
        self._loader.hold = is_due and self._loader.num_ready >= 2 * self._num_batches
        self._before, self._started = self._loader.stats.snapshot(), time.perf_counter()

    def end(self) -> StepTime:
        """The step has ended."""
        seconds, stats = time.perf_counter() - self._started, self._loader.stats
        data = stats.snapshot() - self._before
        held, self._loader.hold = self._loader.hold, False
        self._steps += 1
        if self._steps > _WARM_UP:
            working = max(0.0, seconds - data.wait_seconds)
            step = Steps(1, working, working**2, data.cpu_seconds)
            compared = Contention(held=step) if held else Contention(free=step)
            stats.contention += compared
            data = replace(data, contention=compared)
        return StepTime(seconds, data)
