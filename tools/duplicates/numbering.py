"""One row of numbers for the samples of several datasets, in their order, and where a number is."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from shards.read import Origin, Reader


class Numbering:
    """The samples of some datasets, numbered from 0."""

    def __init__(self, readers: Iterable[Reader]) -> None:
        self.readers = list(readers)
        self._ends = [np.cumsum(reader.index.shards.num_samples) for reader in self.readers]
        self.first = np.cumsum([0, *(int(ends[-1]) for ends in self._ends)])
        """(D + 1,) the number of the first sample of each dataset, and the number of all."""

    @property
    def total(self) -> int:
        """Samples of all datasets."""
        return int(self.first[-1])

    def locate(self, number: int) -> tuple[Reader, int, int]:
        """(reader, shard, sample) of a number."""
        dataset = int(np.searchsorted(self.first, number, side="right")) - 1
        row, ends = number - int(self.first[dataset]), self._ends[dataset]
        reader, shard = self.readers[dataset], int(np.searchsorted(ends, row, side="right"))
        return reader, shard, row - int(ends[shard] - reader.index.shards.num_samples[shard])

    def origins(self, numbers: Iterable[int]) -> dict[int, Origin]:
        """The origins of some samples."""
        found = {}
        for number in sorted(set(numbers)):
            reader, shard, sample = self.locate(number)
            found[number] = reader.origin_of(shard, sample)
        return found
