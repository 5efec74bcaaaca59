"""A rank's share is what `deal` gives it, over all numbers of streams, ranks and elements of a batch."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from shards.order.order import NEVER, Order
from shards.order.partition import deal
from shards.order.share import ALL, Share

SIZES = st.tuples(st.integers(1, 12), st.integers(1, 12), st.integers(1, 6)).map(lambda s: (s[0], s[1], s[1] * s[2]))
"""Streams, ranks, elements of a batch."""


def taken(share: Share, streams: int, position: int, num_batches: int) -> list[np.ndarray]:
    """For each stream, the indices of the elements that `deal` gives to the rank in the batches from a position on."""
    found = []
    for batch in range(num_batches):
        at = position + batch * share.batch_size + np.arange(share.batch_size)
        found.append(at[deal(np.zeros(share.batch_size), at % streams, share.world_size)[share.rank]])
    positions = np.sort(np.concatenate(found))
    return [positions[positions % streams == stream] // streams for stream in range(streams)]


@settings(max_examples=300)
@given(SIZES, st.integers(0, 50), st.data())
def test_a_share_has_all_that_is_dealt_to_a_rank_and_nothing_else_where_streams_divide_the_batch(
    sizes: tuple[int, int, int], position: int, data: st.DataObject
) -> None:
    streams, world_size, batch_size = sizes
    share = Share(batch_size, data.draw(st.integers(0, world_size - 1)), world_size)
    num_batches = 4
    dealt = taken(share, streams, position, num_batches)
    first, end = share.slots(streams)
    # Asked in the middle of a batch, it goes on with the rest of it.
    asked = position + data.draw(st.integers(0, batch_size - 1))
    for stream in range(streams):
        if first[stream] >= end[stream]:
            assert not dealt[stream].size
            continue
        begin, last = (-(-(p - stream) // streams) for p in (asked, position + num_batches * batch_size))
        index = np.arange(begin, last)
        next_, skipped = share.behind(asked - position).next(streams, np.full_like(index, stream), index, asked)
        assert (next_ >= index).all() and (skipped == first[stream]).all()
        truth = np.append(dealt[stream], last)[np.searchsorted(dealt[stream], index)]
        if batch_size % streams:
            assert (np.minimum(next_, last) <= truth).all()
        else:
            assert (np.minimum(next_, last) == truth).all()


@given(SIZES)
def test_all_shares_together_are_everything(sizes: tuple[int, int, int]) -> None:
    streams, world_size, batch_size = sizes
    ends = [Share(batch_size, rank, world_size).slots(streams) for rank in range(world_size)]
    num_slots = sum(np.maximum(0, end - first) for first, end in ends)
    assert (num_slots == batch_size // streams).all() if batch_size % streams == 0 else (num_slots > 0).all()
    index = np.arange(30)
    next_, skipped = ALL.next(streams, index % streams, index, 7)
    assert (next_ == index).all() and not skipped.any()


@settings(max_examples=200)
@given(SIZES, st.lists(st.integers(0, 30), min_size=2, max_size=12).filter(any), st.integers(1, 40), st.data())
def test_the_next_use_of_a_share_is_never_late_and_leaves_out_what_other_ranks_read(
    sizes: tuple[int, int, int], counts: list[int], window: int, data: st.DataObject
) -> None:
    streams, world_size, batch_size = sizes
    order = Order(counts, 3, "demo", streams, window)
    n = order.num_elements
    share = Share(batch_size, data.draw(st.integers(0, world_size - 1)), world_size)
    here = data.draw(st.integers(0, 2 * n))
    use, _ = order.next_use(here, share)
    assert (use >= order.next_use(here)[0])[use == NEVER].all()
    first, end = share.slots(order.streams)
    for batch in range(1 + 2 * n // batch_size):
        start = here + batch * batch_size
        at = order.at(start + np.arange(batch_size))
        if (len(set(at.pass_.tolist())) > 1 and n % order.streams) or at.pass_[-1] > here // n + 1:
            continue  # a batch that crosses the end of a pass, or one that is not asked for yet
        mine = deal(np.zeros(batch_size), at.stream, world_size)[share.rank]
        for slot in mine.tolist():
            assert use[at.shard[slot]] <= start + slot - here
    streams_of = [
        set(order.at(np.arange(n)).stream[order.at(np.arange(n)).shard == s].tolist()) for s in range(len(counts))
    ]
    own = set(np.flatnonzero(first < end).tolist())
    for shard, of_shard in enumerate(streams_of):
        if not of_shard & own:
            assert use[shard] == NEVER


def test_ranks_that_share_a_stream_of_large_batches_use_different_shards() -> None:
    """Batches of 16 shards of each stream, of which each of 16 ranks reads one, and the ends of its neighbours."""
    order = Order([16] * 1024, seed=0, name="wide", streams=4, window=4)
    used = [order.next_use(0, Share(1024, rank, 64))[0] < 1024 for rank in range(64)]
    assert [1 <= mine.sum() <= 3 for mine in used] == [True] * 64
    assert np.any(used, axis=0).sum() >= 64
