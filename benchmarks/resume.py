"""Does it cost more to go on at the end of a long run than at its start?

    python benchmarks/resume.py

A virtual dataset of 10^9 elements in 10^5 shards: from nothing to the first planned batch of 1,024, at the start and
at 1 %, 50 % and 99 % of a pass, each in a fresh process. `arrays_mb` is what the order holds. That the sequence is the
same afterwards is checked by every case against positions planned one by one.
"""

from __future__ import annotations

import sys

import numpy as np
from harness import compare, run_case, timed

NUM_SHARDS, NUM_ELEMENTS, BATCH = 100_000, 10**9, 1024
SHARES = {"start": "0", "1 %": "0.01", "50 %": "0.5", "99 %": "0.99"}


def first_batch(share: str) -> dict[str, float]:
    """Seconds from the counts of the shards to the first batch at this share of the first pass."""
    from shards.order.blend import Blend
    from shards.order.defaults import default_window
    from shards.order.order import Order
    from shards.order.plan import RunPosition, TrainingPlanner

    g = np.random.Generator(np.random.Philox(0))
    counts = g.integers(5_000, 15_001, NUM_SHARDS)
    counts[0] += NUM_ELEMENTS - counts.sum()
    position = int(float(share) * NUM_ELEMENTS)
    numbers: dict[str, float] = {}
    with timed(numbers, "first_batch"):
        order = Order(counts, 0, "virtual", streams=64, window=default_window(counts, 0, 64))
        planner = TrainingPlanner([order], Blend([1], "step"), BATCH, rank=0, world_size=1)
        (plan,) = planner.plans(RunPosition(position // BATCH, (position,)), 1)
    for number in range(0, BATCH, 97):
        element = plan.elements[number]
        assert element is not None
        alone = order.at([element.position])
        assert (int(alone.shard[0]), int(alone.row[0])) == (element.shard, element.row)
    arrays = [value for value in vars(order).values() if isinstance(value, np.ndarray)]
    arrays += [array for pair in vars(order)["_passes"].values() for array in pair]
    return {**numbers, "arrays_mb": sum(array.nbytes for array in arrays) / 1e6}


if __name__ == "__main__":
    if sys.argv[1:2] == ["--case"]:
        run_case({"first_batch": first_batch}, sys.argv[2:])
    else:
        compare("resume", __file__, {label: ["first_batch", share] for label, share in SHARES.items()})
