"""Joined orders: what comes next is never told too late, on either side of the join."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from shards.order.joined import Joined, Shifted
from shards.order.order import NEVER, Order


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
