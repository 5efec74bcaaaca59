"""Underway: a batch goes on when it is both fetched and wanted, and says how many bytes it holds at each stage."""

from __future__ import annotations

from collections import deque

import numpy as np

from shards.loader.stages.batch import Batch, Slot
from shards.loader.stages.fetch import Encoded
from shards.loader.stages.underway import Underway
from shards.order.plan import Plan, RunPosition
from shards.read.sample import Origin

ORIGIN = Origin("web", "000000.tar", "0")
PLAN = Plan(np.zeros((5, 1), np.int64), 1, 0, RunPosition(1, (1,)))


def test_it_is_ready_at_the_second_call() -> None:
    batch = Underway(PLAN, 0)
    assert [batch.is_ready(), batch.is_ready()] == [False, True]


def test_it_counts_the_bytes_that_it_holds() -> None:
    batch = Underway(PLAN, 1000)
    assert (batch.encoded_bytes, batch.decoded_bytes) == (1000, 0)
    batch.encoded = Encoded([[0]] * 5, [0], [0], [None], [700, 0], deque([[0], [1]]))
    assert batch.encoded_bytes == 700
    slot = batch.slots.place(0, Slot(ORIGIN, np.full((1, 2, 2, 3), 7, np.uint8)))
    assert not batch.slots.fill(0, slot) and batch.slots.fill(1, Slot(ORIGIN, None))
    batch.encoded.sizes[0] = 0
    assert (batch.encoded_bytes, batch.decoded_bytes) == (0, 24)  # with the room of the second
    frames = batch.slots.frames
    assert frames is not None and (frames[0] == 7).all()
    made = Batch(frames, {"ids": np.zeros((2, 8))}, [{}, {}], [ORIGIN] * 2, np.ones(2, np.bool_), "web", [(), ()])
    batch.made(made)
    assert batch.decoded_bytes == 24 + 128
    assert batch.answer.is_there and batch.answer.wait() is made
