"""Where a loader's time goes, and what became of every element.

Seconds by stage are summed over threads; `wait_seconds` is what the consumer stood still for. When it waits, the
stage with the most thread seconds in the same interval is the one to speed up (`Snapshot.slowest`). Counts are taken
when a batch is handed over. Snapshots subtract, so an interval is `after - before`.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

STAGES = ("read", "encode", "decode", "collate")


class AccountingError(AssertionError):
    """Elements were lost or counted twice: a bug of the loader."""


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


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The state of the counters at one moment, or, as a difference, over an interval."""

    seconds: dict[str, float]
    """Thread seconds by stage."""
    wait_seconds: float
    num_batches: int
    accounting: Accounting

    @property
    def slowest(self) -> str:
        """The stage that took the most thread seconds."""
        return max(STAGES, key=lambda stage: self.seconds[stage])

    def __sub__(self, before: Snapshot) -> Snapshot:
        return Snapshot(
            seconds={stage: self.seconds[stage] - before.seconds[stage] for stage in STAGES},
            wait_seconds=self.wait_seconds - before.wait_seconds,
            num_batches=self.num_batches - before.num_batches,
            accounting=self.accounting - before.accounting,
        )


class Stats:
    """Counters that the threads of one loader share."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._seconds = dict.fromkeys(STAGES, 0.0)
        self._wait_seconds = 0.0
        self._num_batches = 0
        self._accounting = Accounting()

    @contextmanager
    def time(self, stage: str) -> Iterator[None]:
        """Add the time of the block to a stage, also when it raises."""
        start = time.perf_counter()
        try:
            yield
        finally:
            with self._lock:
                self._seconds[stage] += time.perf_counter() - start

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Add the time of the block to what the consumer waited."""
        start = time.perf_counter()
        try:
            yield
        finally:
            with self._lock:
                self._wait_seconds += time.perf_counter() - start

    def hand_over(self, counts: Accounting) -> Accounting:
        """Count one batch; returns the new totals."""
        with self._lock:
            self._num_batches += 1
            self._accounting += counts
            return self._accounting

    def snapshot(self) -> Snapshot:
        with self._lock:
            return Snapshot(
                seconds=dict(self._seconds),
                wait_seconds=self._wait_seconds,
                num_batches=self._num_batches,
                accounting=self._accounting,
            )

    @property
    def accounting(self) -> Accounting:
        return self.snapshot().accounting

    @property
    def seconds(self) -> dict[str, float]:
        """Thread seconds by stage since the loader was made."""
        return self.snapshot().seconds

    @property
    def wait_seconds(self) -> float:
        return self.snapshot().wait_seconds
