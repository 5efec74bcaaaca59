"""Joined orders: what comes next is never told too late, on either side of the join."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from shards.order.joined import Joined, Shifted
from shards.order.order import NEVER, Order
from shards.order.share import Share


@given(
    counts=st.lists(st.integers(0, 9), min_size=2, max_size=8),
    more=st.lists(st.integers(1, 9), min_size=1, max_size=4),
    position=st.integers(0, 60),
    streams=st.integers(1, 3),
)
def test_what_comes_next_is_never_told_too_late(
    counts: list[int], more: list[int], position: int, streams: int
) -> None:
    counts[0] += 1
    old = Order([*counts, *[0] * len(more)], 3, "d", streams, 4)
    new = Order([*counts, *more], 3, "d", streams, 4)
    passes = -(-position // old.num_elements)
    join = passes * old.num_elements
    order = Joined(old, Shifted(new, passes * new.num_elements - join), join)
    ahead = np.arange(position, position + old.num_elements + 2 * new.num_elements)
    at = order.at(ahead)
    for shard, use in enumerate(order.next_use(position)[0].tolist()):
        found = np.flatnonzero(at.shard == shard)
        assert use <= (found[0] if len(found) else NEVER)
    later = passes + (ahead - join) // new.num_elements
    assert (at.pass_ == np.where(ahead < join, ahead // old.num_elements, later)).all()


@given(
    counts=st.lists(st.integers(1, 9), min_size=2, max_size=8),
    position=st.integers(0, 60),
    world_size=st.integers(1, 4),
    size=st.integers(1, 4),
)
def test_the_share_of_a_rank_goes_on_behind_a_join_that_lies_in_a_batch(
    counts: list[int], position: int, world_size: int, size: int
) -> None:
    old = Order([*counts, 0], 3, "d", 1, 1)
    new = Order([*counts, 5], 3, "d", 1, 1)
    join = -(-position // old.num_elements) * old.num_elements
    order = Joined(old, Shifted(new, join // old.num_elements * new.num_elements - join), join)
    ahead = np.arange(position, join + new.num_elements)
    place = (ahead - position) // size % world_size
    for rank in range(world_size):
        use, _ = order.next_use(position, Share(size * world_size, rank, world_size))
        shards = order.at(ahead[place == rank]).shard.tolist()
        soon = {shard for shard, distance in enumerate(use.tolist()) if distance < len(ahead)}
        assert set(shards) <= soon
        # Windows of one element: in one stream, what is told is what is read.
        assert soon - set(shards) <= set(order.at(ahead[-1] + 1 + np.arange(size * world_size)).shard.tolist())
