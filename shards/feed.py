"""A feed: one dataset of a blend, opened: its reader, its order, and the numbers that the cursor keeps of it.

Promises: `repeat` only multiplies the elements of each shard; the copies of an element within one pass draw as if
each were in a pass of its own. An empty dataset is refused by name and path.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from shards.config import DatasetConfig, LoaderConfig
from shards.order import ElementOrder, Int64, Order, Sequential, default_window

if TYPE_CHECKING:
    from shards.reader import Reader


@dataclass(frozen=True, slots=True)
class Feed:
    """One opened dataset."""

    config: DatasetConfig
    reader: Reader
    order: ElementOrder
    window: int
    """Elements."""
    counts: Int64
    """(S,) elements of each shard, copies not counted."""

    @property
    def name(self) -> str:
        return self.config.name

    def unrepeat(self, pass_: int, shard: int, row: int) -> tuple[int, int]:
        """(pass to draw with, row inside the shard) of what the order calls `row`."""
        copy, row = divmod(row, int(self.counts[shard]))
        return pass_ * self.config.repeat + copy, row


def open_feed(dataset: DatasetConfig, config: LoaderConfig) -> Feed:
    """Open a dataset as the loader config wants it ordered. Raises ValueError when it has no elements."""
    reader = open_reader(dataset, config.verify)
    counts = np.asarray(reader.counts, dtype=np.int64)
    if not counts.sum():
        raise ValueError(
            f"dataset {dataset.name!r} at {dataset.path} has no elements ({len(counts)} shards); "
            "build it again, or take it out of the config"
        )
    repeated = counts * dataset.repeat
    window = config.window if config.window is not None else default_window(repeated)
    order: ElementOrder
    if config.mode == "train":
        order = Order(repeated, config.seed, dataset.name, config.streams, window)
    else:
        order = Sequential(counts, dataset.name)
    return Feed(dataset, reader, order, window, counts)


def open_reader(dataset: DatasetConfig, verify: Literal["once", "always", "never"] = "once") -> Reader:
    from shards.reader import Reader  # loads pyarrow

    return Reader(dataset.name, dataset.path, dataset.elements, verify)
