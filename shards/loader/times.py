"""Times: how long the runs of one stage took, as a count, a sum and a histogram."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from itertools import accumulate

_SUB_BITS = 3  # eight buckets an octave
_FIRST_BITS, _LAST_BITS = 10, 40  # 2**10 ns = 1 microsecond; 2**40 ns = 18 minutes
_NUM_BUCKETS = ((_LAST_BITS - _FIRST_BITS) << _SUB_BITS) + 2
_MOST_NOTED = 256


@dataclass(frozen=True, slots=True)
class Times:
    """Runs of one stage: their number, items and seconds."""

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


class Clock:
    """The running counters of one stage."""

    __slots__ = ("_buckets", "_items", "_lock", "_noted", "_total")

    def __init__(self, alone: bool = False) -> None:
        """alone: only one thread notes anything."""
        self._lock = nullcontext() if alone else threading.Lock()
        self._items = self._total = 0
        self._buckets = [0] * _NUM_BUCKETS
        self._noted: deque[tuple[int, int]] = deque()
        """Runs that are not counted yet: to put one here is a tenth of the work of counting it under the lock."""

    def note(self, nanoseconds: int, items: int = 1) -> None:
        """Count one run."""
        self._noted.append((nanoseconds, items))
        if len(self._noted) >= _MOST_NOTED:
            with self._lock:
                self._count()

    def times(self) -> Times:
        with self._lock:
            self._count()
            return Times(self._items, self._total / 1e9, tuple(self._buckets))

    def _count(self) -> None:
        for _ in range(len(self._noted)):
            nanoseconds, items = self._noted.popleft()
            self._items += items
            self._total += nanoseconds
            self._buckets[_bucket(nanoseconds)] += 1


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
