"""Dealing slots to ranks: nothing lost, the same list for every world size, whole streams where possible."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shards.order.order import Order
from shards.order.partition import deal


@settings(max_examples=150)
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 9)), min_size=24, max_size=24))
def test_the_ranks_together_are_the_same_list_for_every_world_size(slots: list[tuple[int, int]]) -> None:
    dataset, stream = np.array(slots).T
    whole = deal(dataset, stream, 1)[0]
    assert sorted(whole.tolist()) == list(range(24))
    for world_size in (2, 3, 4, 6, 8, 12, 24):
        parts = deal(dataset, stream, world_size)
        assert {len(p) for p in parts} == {24 // world_size}
        assert np.concatenate(parts).tolist() == whole.tolist()


@pytest.mark.parametrize("world_size", [1, 2, 4, 8])
def test_ranks_own_whole_streams(world_size: int) -> None:
    order = Order([100] * 32, seed=0, name="own", streams=8, window=64)
    owned: list[set[int]] = [set() for _ in range(world_size)]
    for step in range(order.num_elements // 32):
        at = order.at(step * 32 + np.arange(32))
        for rank, slots in enumerate(deal(np.zeros(32), at.stream, world_size)):
            owned[rank] |= set(at.stream[slots].tolist())
    assert [len(streams) for streams in owned] == [8 // world_size] * world_size
    assert set().union(*owned) == set(range(8))


def test_each_rank_gets_its_share_of_every_dataset() -> None:
    dataset = np.array([0] * 16 + [1] * 8)
    for slots in deal(dataset, np.zeros(24), 4):
        assert np.bincount(dataset[slots]).tolist() == [4, 2]


def test_a_batch_that_does_not_divide_is_refused_with_both_numbers() -> None:
    with pytest.raises(ValueError, match=r"batch_size 10 \(global\) does not divide among world_size 4 ranks"):
        deal(np.zeros(10), np.zeros(10), 4)
