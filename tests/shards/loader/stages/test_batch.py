"""A batch: its length, and the failures of its slots in their order."""

from __future__ import annotations

import numpy as np

from shards.loader.quarantine import Failure
from shards.loader.stages.batch import PADDING, Batch
from shards.read.sample import Origin


def test_a_batch_has_its_slots_and_lists_their_failures_in_order() -> None:
    origins = [Origin("web", "000000.tar", key) for key in "abc"]
    first, second, third = (Failure(origin, "no picture") for origin in origins)
    batch = Batch(
        frames=np.zeros((3, 2, 4, 4, 3), np.uint8),
        arrays={},
        meta=[{}, {}, {}],
        origins=[*origins[:2], PADDING],
        valid=np.array([True, True, False]),
        dataset="web",
        slot_failures=[(third, first), (), (second,)],
    )
    assert len(batch) == 3
    assert batch.failures == [third, first, second]
