"""The use that an optimiser step is of, by the dataset of its batches, which a turn of the blend makes one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from shards import Batch


class StepUse(NamedTuple):
    """The use that a dataset is for."""

    name: str | None
    """None: the only one of the run."""
    contrast: int
    """Loader batches in one contrast."""


class StepUses:
    """The uses of a run by dataset; without any, each step is `only`'s."""

    def __init__(self, by_dataset: Mapping[str, StepUse] | None, only: StepUse) -> None:
        self._by_dataset, self._only = by_dataset, only

    def of(self, batches: Sequence[Batch]) -> StepUse:
        """The use of a step with these batches."""
        if self._by_dataset is None:
            return self._only
        dataset = batches[0].dataset
        assert dataset is not None and all(batch.dataset == dataset for batch in batches)
        return self._by_dataset[dataset]
