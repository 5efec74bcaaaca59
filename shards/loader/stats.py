"""Where a loader's time goes, how full its queue is, and what became of every element.

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
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass, field
from itertools import accumulate

from shards.base.errors import AccountingError
from shards.loader.stages.batch import Batch
from shards.order.plan import Place, Plan

STAGES = ("read", "encode", "decode", "collate")
"""What the threads do; one of these is to blame when the consumer waits."""
WAIT = "wait"

_SUB_BITS = 3  # eight buckets an octave
_FIRST_BITS, _LAST_BITS = 10, 40  # 2**10 ns = 1 microsecond; 2**40 ns = 18 minutes
_NUM_BUCKETS = ((_LAST_BITS - _FIRST_BITS) << _SUB_BITS) + 2


@dataclass(frozen=True, slots=True)
class Accounting:
    """Elements of one rank since its loader was made, by what became of them.

    Training: planned = delivered + failed, and failed = substituted. Evaluation: planned = delivered + failed, nothing
    substituted; padding is outside both.
    """

    planned: int = 0
    delivered: int = 0
    """Planned elements that were handed over themselves."""
    failed: int = 0
    """Planned elements that could not be used."""
    substituted: int = 0
    """Failed elements in whose place another one was handed over."""
    failed_attempts: int = 0
    """Failures in all, those of substitutes included; the failure budget counts these."""
    padded: int = 0

    @property
    def tried(self) -> int:
        """Elements that were fetched or known to be bad: the planned ones, and one more for each substitute tried."""
        return self.delivered + self.substituted + self.failed_attempts

    def __add__(self, other: Accounting) -> Accounting:
        return Accounting(*(getattr(self, f) + getattr(other, f) for f in self.__slots__))

    def __sub__(self, other: Accounting) -> Accounting:
        return Accounting(*(getattr(self, f) - getattr(other, f) for f in self.__slots__))

    def check(self, training: bool) -> None:
        """Raise AccountingError unless the identity of the mode holds."""
        wanted = self.failed if training else 0
        if self.planned != self.delivered + self.failed or self.substituted != wanted:
            raise AccountingError(
                f"planned {self.planned} must equal delivered {self.delivered} + failed {self.failed}, "
                f"and substituted {self.substituted} must equal {wanted}"
            )


def account(plan: Plan, batch: Batch, training: bool) -> Accounting:
    """What became of the elements of one planned batch. Raises AccountingError."""
    padded = plan.elements.count(None)
    failed = sum(bool(failures) for failures in batch.slot_failures)
    counts = Accounting(
        planned=len(plan.elements) - padded,
        delivered=int(batch.valid.sum()) - (failed if training else 0),
        failed=failed,
        substituted=failed if training else 0,
        failed_attempts=len(batch.failures),
        padded=padded,
    )
    counts.check(training)
    return counts


@dataclass(frozen=True, slots=True)
class Times:
    """What one stage took: how often it ran, over how many items, for how long."""

    items: int = 0
    """Elements, or batches for the stage `wait`."""
    seconds: float = 0.0
    """Summed over threads."""
    buckets: tuple[int, ...] = (0,) * _NUM_BUCKETS
    """Runs by duration: shorter than a microsecond, eight buckets an octave, longer than 18 minutes."""

    @property
    def count(self) -> int:
        """Runs of the stage; one of `collate` has a whole batch of items."""
        return sum(self.buckets)

    def quantile(self, share: float) -> float:
        """Seconds that this share of the runs did not exceed, to within 6 %; 0 when there was none."""
        count = self.count
        if not count:
            return 0.0
        rank = min(int(share * count), count - 1)
        return _middle(next(bucket for bucket, seen in enumerate(accumulate(self.buckets)) if seen > rank))

    def octaves(self) -> Iterator[tuple[float, int]]:
        """(seconds, runs that took less) at every octave: the borders of a cumulative histogram."""
        seen = self.buckets[0]
        for number, bits in enumerate(range(_FIRST_BITS, _LAST_BITS + 1)):
            yield (1 << bits) / 1e9, seen
            start = 1 + (number << _SUB_BITS)
            seen += sum(self.buckets[start : start + (1 << _SUB_BITS)])

    def __add__(self, other: Times) -> Times:
        buckets = tuple(a + b for a, b in zip(self.buckets, other.buckets, strict=True))
        return Times(self.items + other.items, self.seconds + other.seconds, buckets)

    def __sub__(self, before: Times) -> Times:
        buckets = tuple(a - b for a, b in zip(self.buckets, before.buckets, strict=True))
        return Times(self.items - before.items, self.seconds - before.seconds, buckets)


@dataclass(frozen=True, slots=True)
class Queue:
    """The batches made ahead, as the consumer found them whenever it asked for one."""

    asked: int = 0
    """Times that the consumer asked."""
    ready: int = 0
    """Finished batches that lay there, summed over those times."""
    empty: int = 0
    """Times that none was finished."""
    last_ready: int = 0
    """Finished batches at the last time; so much for the interval, the rest are counters."""
    last_batches: int = 0
    """Batches finished or in the making at the last time."""
    last_bytes: int = 0
    """Decoded bytes that these held."""

    @property
    def mean_ready(self) -> float:
        """Finished batches found, on average."""
        return self.ready / self.asked if self.asked else 0.0

    def __add__(self, later: Queue) -> Queue:
        counts = (self.asked + later.asked, self.ready + later.ready, self.empty + later.empty)
        return Queue(*counts, later.last_ready, later.last_batches, later.last_bytes)

    def __sub__(self, before: Queue) -> Queue:
        counts = (self.asked - before.asked, self.ready - before.ready, self.empty - before.empty)
        return Queue(*counts, self.last_ready, self.last_batches, self.last_bytes)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The state of the counters at one moment, or, as a difference, over an interval."""

    times: dict[str, Times]
    """By stage, `wait` included."""
    num_batches: int = 0
    accounting: Accounting = field(default_factory=Accounting)
    queue: Queue = field(default_factory=Queue)
    elapsed: float = 0.0
    """Wall seconds since the loader was made, or of the interval."""
    traffic: dict[str, float] = field(default_factory=dict)
    """Counters of remote sources and of the cache, see docs/streaming.md; empty where all is local."""
    decoded: dict[str, int] = field(default_factory=dict)
    """Clips by the way they went, "dali" or "cpu: REASON", see docs/gpu.md; empty where the CPU decodes all."""

    @property
    def seconds(self) -> dict[str, float]:
        """Thread seconds by stage."""
        return {stage: self.times[stage].seconds for stage in STAGES}

    @property
    def wait_seconds(self) -> float:
        return self.times[WAIT].seconds

    @property
    def wait_share(self) -> float:
        """Share of the wall time that the consumer waited."""
        return min(1.0, self.wait_seconds / self.elapsed) if self.elapsed > 0 else 0.0

    @property
    def slowest(self) -> str:
        """The stage that took the most thread seconds."""
        return max(STAGES, key=lambda stage: self.times[stage].seconds)

    def items_per_second(self, stage: str) -> float:
        """Items of a stage by wall time, all threads together."""
        return self.times[stage].items / self.elapsed if self.elapsed > 0 else 0.0

    def __add__(self, later: Snapshot) -> Snapshot:
        return Snapshot(
            times={stage: times + later.times[stage] for stage, times in self.times.items()},
            num_batches=self.num_batches + later.num_batches,
            accounting=self.accounting + later.accounting,
            queue=self.queue + later.queue,
            elapsed=self.elapsed + later.elapsed,
            traffic={name: self.traffic.get(name, 0) + count for name, count in later.traffic.items()},
            decoded=dict(Counter(self.decoded) + Counter(later.decoded)),
        )

    def __sub__(self, before: Snapshot) -> Snapshot:
        return Snapshot(
            times={stage: times - before.times[stage] for stage, times in self.times.items()},
            num_batches=self.num_batches - before.num_batches,
            accounting=self.accounting - before.accounting,
            queue=self.queue - before.queue,
            elapsed=self.elapsed - before.elapsed,
            traffic={name: count - before.traffic.get(name, 0) for name, count in self.traffic.items()},
            decoded=dict(Counter(self.decoded) - Counter(before.decoded)),
        )


@dataclass(frozen=True, slots=True)
class HandedOver:
    """What a loader has handed over and where that leaves it: one object, put in place by one assignment, so that
    position and accounts change together or not at all wherever an interrupt comes."""

    place: Place
    """Before the next batch."""
    num_batches: int = 0
    """Since the loader was made, whatever places it was sent to."""
    elements: Accounting = field(default_factory=Accounting)


class Clock:
    """The running counters of one stage."""

    __slots__ = ("_buckets", "_items", "_lock", "_total")

    def __init__(self, alone: bool = False) -> None:
        """alone: only one thread notes anything."""
        self._lock = nullcontext() if alone else threading.Lock()
        self._items = self._total = 0
        self._buckets = [0] * _NUM_BUCKETS

    def note(self, nanoseconds: int, items: int = 1) -> None:
        """Count one run."""
        bucket = _bucket(nanoseconds)
        with self._lock:
            self._items += items
            self._total += nanoseconds
            self._buckets[bucket] += 1

    def times(self) -> Times:
        with self._lock:
            return Times(self._items, self._total / 1e9, tuple(self._buckets))


class Timer:
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
        self.handed = HandedOver(Place(0, ()))
        self._queue = Queue()
        self._decoded: Counter[str] = Counter()

    def time(self, stage: str, items: int = 1) -> Timer:
        """Add the time of a block to a stage that works on this many items at once."""
        return Timer(self._clocks[stage], items)

    def waiting(self) -> Timer:
        """Add the time of a block to what the consumer waited."""
        return Timer(self._clocks[WAIT], 1)

    def found(self, ready: int, batches: int, num_bytes: int) -> None:
        """Note what lies in the queue when the consumer asks: finished batches, all batches, their decoded bytes."""
        self._queue += Queue(1, ready, int(ready == 0), ready, batches, num_bytes)

    def count_decoded(self, way: str) -> None:
        """Count a clip by the way it went: "dali", or "cpu: REASON"."""
        with self._lock:
            self._decoded[way] += 1

    def snapshot(self) -> Snapshot:
        times = {stage: clock.times() for stage, clock in self._clocks.items()}
        traffic, decoded, handed = self._traffic(), dict(self._decoded), self.handed
        elapsed = time.perf_counter() - self._started
        return Snapshot(times, handed.num_batches, handed.elements, self._queue, elapsed, traffic, decoded)

    @property
    def accounting(self) -> Accounting:
        return self.handed.elements

    @property
    def seconds(self) -> dict[str, float]:
        """Thread seconds by stage since the loader was made."""
        return self.snapshot().seconds

    @property
    def wait_seconds(self) -> float:
        return self._clocks[WAIT].times().seconds


def _bucket(nanoseconds: int) -> int:
    """Number of the bucket: the highest bit says the octave, the three bits behind it which eighth of the octave."""
    bits = nanoseconds.bit_length() - 1
    if bits < _FIRST_BITS:
        return 0
    if bits >= _LAST_BITS:
        return _NUM_BUCKETS - 1
    return 1 + ((bits - _FIRST_BITS) << _SUB_BITS) + (nanoseconds >> (bits - _SUB_BITS) & (1 << _SUB_BITS) - 1)


def _middle(bucket: int) -> float:
    """Seconds in the middle of a bucket; the border of the two that are open to one side."""
    if bucket in (0, _NUM_BUCKETS - 1):
        return (1 << (_LAST_BITS if bucket else _FIRST_BITS)) / 1e9
    octave, eighth = divmod(bucket - 1, 1 << _SUB_BITS)
    return (1 << (_FIRST_BITS + octave - _SUB_BITS)) * ((1 << _SUB_BITS) + eighth + 0.5) / 1e9
