"""Elements: which sample and which record of it a number of an element means, in each shard of an index."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from shards.base.errors import DatasetError
from shards.dataset.index.index import Index
from shards.read.sample import Origin

if TYPE_CHECKING:
    from shards.select.captions import Captions


class Elements:
    """The elements of one dataset: each is a record of a sample, or a sample."""

    def __init__(self, dataset_name: str, index: Index, unit: Literal["record", "sample"]) -> None:
        """Raises DatasetError when records are the elements and the index does not know how many there are."""
        if unit not in ("record", "sample"):
            raise ValueError(f"elements is {unit!r}, allowed are 'record' and 'sample'")
        if unit == "record" and (index.shards.num_elements < 0).any():
            raise DatasetError(
                f"{index.source.url}: this index was made from headers only and does not know how many records "
                "its samples have; index it again without --headers, or set elements: sample"
            )
        self.unit = unit
        self._name, self._index = dataset_name, index
        self.captions: Captions | None = None
        """Texts that replace the records of samples."""

    @property
    def counts(self) -> NDArray[np.int64]:
        """(S,) elements of each shard."""
        if self.unit == "sample":
            return self._index.shards.num_samples
        return self._index.shards.num_elements if self.captions is None else self.captions.counts

    def check(self, shard: NDArray[np.int64], row: NDArray[np.int64]) -> None:
        """Raise IndexError where there is no element number `row` in a shard."""
        counts = self.counts
        there = (shard >= 0) & (shard < len(counts)) & (row >= 0)
        wrong = np.flatnonzero(~there | (row >= counts[np.where(there, shard, 0)]))
        if len(wrong):
            raise IndexError(f"{self._name}: no element {row[wrong[0]]} in shard {shard[wrong[0]]}")

    def locate(self, shard: int, row: NDArray[np.int64]) -> tuple[NDArray[np.int64], list[int] | list[None]]:
        """(samples, records) of elements of one shard; a record of None is to be drawn."""
        if self.unit == "sample":
            return row, [None] * len(row)
        first = self._first_elements(shard)
        sample = np.searchsorted(first, row, side="right") - 1
        return sample, (row - first[sample]).tolist()

    def sample_of(self, shard: int, row: int) -> int:
        """The sample of one element. Raises IndexError."""
        counts = self.counts
        if not (0 <= shard < len(counts) and 0 <= row < counts[shard]):
            raise IndexError(f"{self._name}: no element {row} in shard {shard}")
        return row if self.unit == "sample" else int(self.locate(shard, np.array([row]))[0][0])

    def _first_elements(self, shard: int) -> NDArray[Any]:
        """(n + 1,) number of records before each sample, and their total."""
        if self.captions is None:
            return self._index.rows(shard).first_element
        return self.captions.first_elements(shard)

    def origin(self, shard: int, sample: int) -> Origin:
        """The origin of a sample."""
        return Origin(self._name, self._index.shards.names[shard], self._index.rows(shard).keys[sample])
