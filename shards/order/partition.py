"""Partition: the slots of a global batch that each rank takes.

Promises: every slot goes to one rank, all ranks get equally many, and the concatenation of their parts is the same
list for every world size that divides the batch. Where it can, a rank owns whole streams (world size W divides the C
streams and C divides the batch), so that it reads few shards; a batch that crosses the end of a pass may break that.
share.py tells what a rank takes without dealing.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from shards.order.order import Int64, distinct


def deal(dataset: npt.ArrayLike, stream: npt.ArrayLike, world_size: int) -> list[Int64]:
    """dataset, stream: (B,) of each slot. Returns W arrays of B / W slot numbers; ValueError when W does not divide B.

    Each dataset's slots, sorted by stream, are spread evenly over [0, 1); the ranks cut that interval into equal parts.
    """
    dataset, stream = np.asarray(dataset), np.asarray(stream)
    batch_size = len(dataset)
    check_divisible(batch_size, world_size)
    if (dataset == dataset[0]).all():
        return np.split(np.argsort(stream, kind="stable"), world_size)
    spread = np.empty(batch_size)
    for d in distinct(dataset):
        slots = np.flatnonzero(dataset == d)
        slots = slots[np.argsort(stream[slots], kind="stable")]
        # Equal fractions divide to equal floats, so ties between datasets fall to the dataset number on every machine.
        spread[slots] = (np.arange(slots.size) + 0.5) / slots.size
    order = np.lexsort((np.arange(batch_size), dataset, spread))
    return np.split(order, world_size)


def check_divisible(batch_size: int, world_size: int) -> None:
    """Raise ValueError unless every rank can take the same share of a global batch."""
    if world_size < 1 or batch_size % world_size:
        raise ValueError(
            f"batch_size {batch_size} (global) does not divide among world_size {world_size} ranks; "
            f"choose a batch_size that is a multiple of {world_size}"
        )
