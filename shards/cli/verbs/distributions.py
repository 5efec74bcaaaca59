"""Distributions of numbers and names of a stream, in bounded memory.

Promises: numbers are kept exactly up to a million, and beyond that in buckets of 1 % width, so a percentile is then
within 0.5 %; of names the commonest 65,536 are told apart.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

_WIDTH = math.log(1.01)
"""Width of a bucket, as a difference of logarithms."""


class Distribution:
    """Percentiles of a stream of numbers >= 0 in bounded memory; exact for the first million."""

    def __init__(self, max_exact: int = 1_000_000) -> None:
        self.count = 0
        self.total = 0.0
        self._max_exact = max_exact
        self._low, self._high = math.inf, -math.inf
        self._exact: list[NDArray[np.float64]] | None = []
        self._buckets: Counter[int] = Counter()
        self._zeros = 0

    def add(self, values: NDArray[Any]) -> None:
        numbers = np.asarray(values, np.float64)
        numbers = numbers[np.isfinite(numbers) & (numbers >= 0)]
        if not numbers.size:
            return
        self.count += numbers.size
        self.total += float(numbers.sum())
        self._low, self._high = min(self._low, float(numbers.min())), max(self._high, float(numbers.max()))
        if self._exact is not None:
            self._exact.append(numbers)
            if self.count > self._max_exact:
                numbers, self._exact = np.concatenate(self._exact), None
        if self._exact is None:
            self._zeros += int((numbers == 0).sum())
            bucket, number = np.unique(np.floor(np.log(numbers[numbers > 0]) / _WIDTH), return_counts=True)
            self._buckets.update(dict(zip(bucket.astype(int).tolist(), number.tolist(), strict=True)))

    def percentile(self, percent: float) -> float:
        """The smallest value that at least `percent` of all values do not exceed."""
        if not self.count:
            return math.nan
        rank = max(1, math.ceil(self.count * percent / 100))
        if self._exact is not None:
            return float(np.partition(np.concatenate(self._exact), rank - 1)[rank - 1])
        seen = self._zeros
        if rank <= seen:
            return 0.0
        for bucket in sorted(self._buckets):
            seen += self._buckets[bucket]
            if rank <= seen:
                break
        return min(max(math.exp((bucket + 0.5) * _WIDTH), self._low), self._high)

    def counts(self, edges: Sequence[float]) -> list[int]:
        """Values between each two edges, which grow: the lower one included, and the last one too."""
        if self._exact is not None:
            numbers = np.concatenate(self._exact) if self._exact else np.zeros(0)
            return [int(count) for count in np.histogram(numbers, np.asarray(edges, np.float64))[0]]
        middles = np.array([0.0, *(math.exp((bucket + 0.5) * _WIDTH) for bucket in self._buckets)])
        weights = np.array([self._zeros, *self._buckets.values()])
        inside = np.clip(middles, self._low, self._high)  # the middle of an outer bucket may lie outside
        return [round(count) for count in np.histogram(inside, np.asarray(edges, np.float64), weights=weights)[0]]

    def to_dict(self) -> dict[str, Any]:
        """count, total, mean, min, p50, p90, p99, max."""
        if not self.count:
            return {"count": 0, "total": 0}
        whole = all(float(value).is_integer() for value in (self.total, self._low, self._high))
        percentiles = {f"p{percent}": self.percentile(percent) for percent in (50, 90, 99)}
        numbers = {"total": self.total, "min": self._low, **percentiles, "max": self._high}
        shown = {name: round(value) if whole else round(value, 4) for name, value in numbers.items()}
        return {"count": self.count, "mean": round(self.total / self.count, 4), **shown}


class Names:
    """Counts of names in bounded memory: the rare ones of very many become "other"."""

    def __init__(self, max_names: int = 1 << 16) -> None:
        self._max_names = max_names
        self._counts: Counter[str] = Counter()
        self._other = 0

    def add(self, names: Iterable[str], counts: Iterable[int]) -> None:
        for name, count in zip(names, counts, strict=True):
            self._counts[name] += count
        if len(self._counts) > self._max_names:
            kept = dict(self._counts.most_common(self._max_names // 2))
            self._other += sum(self._counts.values()) - sum(kept.values())
            self._counts = Counter(kept)

    @property
    def total(self) -> int:
        """Names that were added, each as often as it was."""
        return sum(self._counts.values()) + self._other

    def commonest(self, most: int) -> list[tuple[str, int]]:
        """The commonest with their counts, most frequent first."""
        return sorted(self._counts.items(), key=lambda item: (-item[1], item[0]))[:most]

    def to_dict(self, most: int = 50) -> dict[str, int]:
        """The commonest, most frequent first, and the rest as "other"."""
        common = dict(self.commonest(most))
        other = self.total - sum(common.values())
        return {**common, **({"other": other} if other else {})}
