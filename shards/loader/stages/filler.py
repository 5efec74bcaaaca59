"""Filler: the good slot whose frames and arrays failed slots and padding of an evaluation get; they are masked."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from shards.loader.setup import Setup
from shards.loader.stages.batch import Slot
from shards.loader.stages.decode import decode
from shards.loader.stages.fetch import fetch_alone
from shards.loader.stages.turn import LastClip, Turn
from shards.order.plan import Element

_MAX_TRIES = 4096


class Filler:
    """Remembers the filler of the last batch that needed one."""

    def __init__(self, setup: Setup) -> None:
        self._setup = setup
        self._last: Slot | None = None

    def find(self, slots: Sequence[Slot], turn: Turn) -> Slot:
        """The first good slot of a batch, else the last filler, else an element of the data. Raises ValueError.

        turn: in which the last slot was filled.
        """
        found = next((slot for slot in slots if slot.frames is not None), None)
        if found is not None and isinstance(found.frames, np.ndarray):
            found = replace(found, frames=found.frames.copy())  # a view would hold its whole batch
        self._last = found or self._last or self._search(turn)
        return self._last

    def _search(self, turn: Turn) -> Slot:
        tries, why = 0, ""
        for dataset, feed in enumerate(self._setup.feeds):
            # Spread over the dataset: bad samples often lie together.
            count = min(feed.order.num_elements, _MAX_TRIES)
            for number in range(count):
                position = _spread(number, count) * feed.order.num_elements // count
                at = feed.order.at([position])
                element = Element(dataset, position, 0, int(at.shard[0]), int(at.row[0]))
                turn.found, turn.last = fetch_alone(self._setup, element), LastClip()
                slot = decode(self._setup, turn)
                if slot.frames is not None:
                    return slot
                tries += 1
                why = why or "".join(f"; e.g. {failure}" for failure in slot.failures[:1])
        names = ", ".join(feed.name for feed in self._setup.feeds)
        raise ValueError(
            f"{names}: none of the first {tries} elements could be used, so the shape of a batch is not known{why}; "
            "run python -m shards verify PATH --decode"
        )


def _spread(number: int, count: int) -> int:
    """A permutation of range(count) whose beginnings lie far apart: steps of about the golden section."""
    step = max(1, round(0.618 * count))
    while math.gcd(step, count) > 1:
        step += 1
    return number * step % count
