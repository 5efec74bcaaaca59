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


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """One rank's part of one global batch, as columns: objects for each element keep the garbage collector busy."""

    columns: Int64
    """(5, n): the fields of `Element` of the n planned elements."""
    num_padding: int
    """Slots behind them that stay empty, only in the last batch of an evaluation."""
    dataset: int | None
    """The dataset of all elements of the global batch, None for a mixed batch."""
    after: RunPosition

    def __len__(self) -> int:
        """Slots, the empty ones included."""
        return self.columns.shape[1] + self.num_padding

    @property
    def elements(self) -> list[Element | None]:
        """The elements as objects; None is padding."""
        return [*map(Element._make, self.columns.T.tolist()), *[None] * self.num_padding]


class Planner(Protocol):
    """A source of plans, for training or evaluation."""

    def plans(self, position: RunPosition, count: int) -> list[Plan]:
        """This many batches in a row, the first of which begins at a position; fewer only where the last one is.

        They are those that would come one by one, for a fraction of the time where batches are small.
        """


class TrainingPlanner:
    """Plans without end: the blend gives the turns, each order its elements, and the partition deals them to ranks."""

    def __init__(
        self,
        orders: Sequence[ElementOrder],
        blend: Blend,
        batch_size: int | Sequence[int],
        rank: int,
        world_size: int,
    ) -> None:
        """batch_size: elements of a global batch, or of one of each dataset."""
        self._orders = orders
        self._blend = blend
        self._batch_size = batch_size
        self._rank = rank
        self._world_size = world_size

    def plans(self, position: RunPosition, count: int) -> list[Plan]:
        turns = [self._blend.slots(position.q, position.positions, self._batch_size)]
        while len(turns) < count:
            turns.append(self._blend.slots(turns[-1][2], turns[-1][3], self._batch_size))
        dataset = np.concatenate([turn[0] for turn in turns])
        columns, stream = np.empty((len(Element._fields), len(dataset)), np.int64), np.empty(len(dataset), np.int64)
        columns[0], columns[1] = dataset, np.concatenate([turn[1] for turn in turns])
        for d in distinct(dataset):
            here = dataset == d
            columns[2, here], columns[3, here], columns[4, here], stream[here] = self._orders[d].at(columns[1, here])
        plans, start = [], 0
        for turn in turns:
            end = start + len(turn[0])
            slots = start + deal(turn[0], stream[start:end], self._world_size)[self._rank]
            plans.append(Plan(columns[:, slots], 0, _common(turn[0]), RunPosition(turn[2], tuple(turn[3]))))
            start = end
        return plans


class EvaluationPlanner:
    """Plans for one pass, dataset after dataset in order; rank r takes the r-th block of each batch."""

    def __init__(self, orders: Sequence[ElementOrder], batch_size: int, rank: int, world_size: int) -> None:
        self._orders = orders
        self._batch_size = batch_size
        self._share = slice(rank * batch_size // world_size, (rank + 1) * batch_size // world_size)
        self._ends = np.cumsum([order.num_elements for order in orders])
        self._starts = self._ends - [order.num_elements for order in orders]

    def plans(self, position: RunPosition, count: int) -> list[Plan]:
        total = int(self._ends[-1])
        first = np.arange(position.q, min(position.q + count * self._batch_size, total), self._batch_size)
        return [self._plan(q, min(q + self._batch_size, total)) for q in first.tolist()]

    def _plan(self, start: int, stop: int) -> Plan:
        """The batch of elements [start, stop) of the evaluation."""
        dataset = np.searchsorted(self._ends, np.arange(start, stop), side="right").astype(np.int64)
        own, of = np.arange(start, stop)[self._share], dataset[self._share]
        columns = np.zeros((len(Element._fields), len(own)), np.int64)
        columns[0], columns[1] = of, own - self._starts[of]
        for d in distinct(of):
            at = self._orders[d].at(columns[1, of == d])
            columns[3, of == d], columns[4, of == d] = at.shard, at.row
        num_padding = self._share.stop - self._share.start - len(own)
        reached = np.clip(stop - self._starts, 0, self._ends - self._starts)
        return Plan(columns, num_padding, _common(dataset), RunPosition(stop, tuple(reached.tolist())))


def _common(dataset: Int64) -> int | None:
    return int(dataset[0]) if (dataset == dataset[0]).all() else None
