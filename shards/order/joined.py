"""Joined orders: one order up to a position of a run, and another one, perhaps shifted, from there on."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from shards.order.order import NEVER, ElementOrder, Int64, Locations
from shards.order.share import ALL, Share


class Shifted:
    """An order whose position 0 is another one of the run."""

    def __init__(self, order: ElementOrder, shift: int) -> None:
        """shift: position p of the run is position p + shift of the order."""
        self._order, self._shift = order, shift
        self.num_elements, self.streams = order.num_elements, order.streams

    def at(self, positions: npt.ArrayLike, attempt: int = 0) -> Locations:
        return self._order.at(np.asarray(positions, np.int64) + self._shift, attempt)

    def next_use(self, position: int, share: Share = ALL) -> tuple[Int64, Int64]:
        return self._order.next_use(position + self._shift, share)


class Joined:
    """One order up to a position, where its pass ends, and another from there on."""

    def __init__(self, before: ElementOrder, after: ElementOrder, join: int) -> None:
        self._before, self._after, self._join = before, after, join
        self.num_elements, self.streams = after.num_elements, after.streams

    def at(self, positions: npt.ArrayLike, attempt: int = 0) -> Locations:
        position = np.asarray(positions, np.int64)
        early = position < self._join
        if early.all():
            return self._before.at(position, attempt)
        if not early.any():
            return self._after.at(position, attempt)
        parts = np.empty((len(Locations._fields), *position.shape), np.int64)
        parts[:, early] = self._before.at(position[early], attempt)
        parts[:, ~early] = self._after.at(position[~early], attempt)
        return Locations(*parts)

    def next_use(self, position: int, share: Share = ALL) -> tuple[Int64, Int64]:
        if position >= self._join:
            return self._after.next_use(position, share)
        left = self._join - position
        now, row = self._before.next_use(position, share)
        later, later_row = self._after.next_use(self._join, share.behind(left))
        now = np.where(now < left, now, NEVER)
        later = np.where(later == NEVER, NEVER, later + left)
        return np.minimum(now, later), np.where(now <= later, row, later_row)
