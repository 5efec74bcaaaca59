"""Snapshot: the counters of a loader at one moment, or over an interval."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from shards.loader.accounting import Accounting
from shards.loader.contention import Contention
from shards.loader.times import Times

STAGES = ("read", "encode", "decode", "collate")
"""Stages of the threads; one of these is to blame when the consumer waits."""
WAIT = "wait"


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
    """Times by stage, `wait` included."""
    num_batches: int = 0
    accounting: Accounting = field(default_factory=Accounting)
    queue: Queue = field(default_factory=Queue)
    elapsed: float = 0.0
    """Wall seconds since the loader was made, or of the interval."""
    traffic: dict[str, float] = field(default_factory=dict)
    """Counters of remote sources and of the cache, see docs/streaming.md; empty where all is local."""
    decoded: dict[str, int] = field(default_factory=dict)
    """Clips by the way they went, "dali" or "cpu: REASON", see docs/gpu.md; empty where the CPU decodes all."""
    cpu_seconds: float = 0.0
    """CPU time of the threads of all loaders of this process (shards/base/thread_time.py)."""
    contention: Contention = field(default_factory=Contention)
    """How much the loader's CPU slows the steps of a training loop that is timed by a StepTimer."""
    given_up: int = 0
    """Clips whose decoding was given up for its time (shards/loader/stages/watch.py)."""
    replaced_threads: int = 0
    """Threads that hung in the decoder and were replaced; some may have come back and ended since."""

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
            cpu_seconds=self.cpu_seconds + later.cpu_seconds,
            contention=self.contention + later.contention,
            given_up=self.given_up + later.given_up,
            replaced_threads=self.replaced_threads + later.replaced_threads,
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
            cpu_seconds=self.cpu_seconds - before.cpu_seconds,
            contention=self.contention - before.contention,
            given_up=self.given_up - before.given_up,
            replaced_threads=self.replaced_threads - before.replaced_threads,
        )
