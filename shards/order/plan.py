"""Plans: the elements of one global batch that one rank makes, as a pure function of the position in the run.

Promises: a plan depends on its position alone, not on earlier plans; `Plan.after` is the position behind the batch,
the same on every rank; the ranks' elements, concatenated, are the same list for every world size.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np

from shards.order.blend import Blend
from shards.order.order import ElementOrder, Int64, distinct
from shards.order.partition import deal


@dataclass(frozen=True, slots=True)
class RunPosition:
    """A position in a run: before turn `q` of the blend (evaluation: element q) and `positions` of the datasets."""

    q: int
    positions: tuple[int, ...]


class Element(NamedTuple):
    """A planned element: number of its dataset, position in the order of the dataset, and location."""

    dataset: int
    position: int
    pass_: int
    shard: int
    row: int


@dataclass(frozen=True, slots=True)
class Plan:
    """One rank's part of one global batch."""

    elements: Sequence[Element | None]
    """None is padding, only in the last batch of an evaluation."""
    dataset: int | None
    """The dataset of all elements of the global batch, None for a mixed batch."""
    after: RunPosition


class Planner(Protocol):
    """A source of plans, for training or evaluation."""

    def plan(self, position: RunPosition) -> Plan | None:
        """The batch that begins at a position; None behind the last one."""


class TrainingPlanner:
    """Plans without end: the blend gives the turns, each order its elements, and the partition deals them to ranks."""

    def __init__(
        self, orders: Sequence[ElementOrder], blend: Blend, batch_size: int, rank: int, world_size: int
    ) -> None:
        self._orders = orders
        self._blend = blend
        self._batch_size = batch_size
        self._rank = rank
        self._world_size = world_size

    def plan(self, position: RunPosition) -> Plan:
        dataset, number, q, positions = self._blend.slots(position.q, position.positions, self._batch_size)
        pass_, shard, row, stream = at = np.empty((4, self._batch_size), dtype=np.int64)
        for d in distinct(dataset):
            here = dataset == d
            at[:, here] = self._orders[d].at(number[here])
        slots = deal(dataset, stream, self._world_size)[self._rank]
        fields = (dataset[slots], number[slots], pass_[slots], shard[slots], row[slots])
        elements = list(map(Element._make, zip(*(f.tolist() for f in fields), strict=True)))
        return Plan(elements, _common(dataset), RunPosition(q, tuple(positions)))


class EvaluationPlanner:
    """Plans for one pass, dataset after dataset in order; rank r takes the r-th block of each batch."""

    def __init__(self, orders: Sequence[ElementOrder], batch_size: int, rank: int, world_size: int) -> None:
        self._orders = orders
        self._batch_size = batch_size
        self._share = slice(rank * batch_size // world_size, (rank + 1) * batch_size // world_size)
        self._ends = np.cumsum([order.num_elements for order in orders])
        self._starts = self._ends - [order.num_elements for order in orders]

    def plan(self, position: RunPosition) -> Plan | None:
        total = int(self._ends[-1])
        if position.q >= total:
            return None
        number = np.arange(position.q, min(position.q + self._batch_size, total))
        dataset = np.searchsorted(self._ends, number, side="right").astype(np.int64)
        in_dataset = number - self._starts[dataset]
        elements: list[Element | None] = []
        for d, p in zip(dataset[self._share].tolist(), in_dataset[self._share].tolist(), strict=True):
            at = self._orders[d].at([p])
            elements.append(Element(d, p, 0, int(at.shard[0]), int(at.row[0])))
        share = self._share.stop - self._share.start
        elements += [None] * (share - len(elements))
        q = position.q + len(number)
        reached = np.clip(q - self._starts, 0, self._ends - self._starts)
        return Plan(elements, _common(dataset), RunPosition(q, tuple(reached.tolist())))


def _common(dataset: Int64) -> int | None:
    return int(dataset[0]) if (dataset == dataset[0]).all() else None
