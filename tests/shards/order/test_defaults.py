"""The default order is a function of the shard table, and its working set is small."""

from __future__ import annotations

import numpy as np
import pytest

from shards.order.defaults import default_streams, default_window


def test_streams_follow_the_number_of_filled_shards() -> None:
    assert [default_streams(np.full(count, 5)) for count in (1, 127, 128, 100_000)] == [16, 16, 32, 32]
    assert default_streams([5] * 127 + [0] * 10) == 16


@pytest.mark.parametrize(
    ("counts", "sample_bytes", "window"),
    [
        ([10, 0, 20], 0, 60),  # bytes not known, as of an ffcv file: four mean shards
        ([10, 0, 20], 100, 60),
        ([1600] * 37, 20_480, 409),  # 8 MiB
        ([100] * 5000, 1_000_000, 64),
        ([4] * 1000, 5_000_000, 16),  # four mean shards are the most
        ([0], 100, 1),
    ],
)
def test_a_window_is_a_few_megabytes(counts: list[int], sample_bytes: int, window: int) -> None:
    assert default_window(counts, sum(counts) * sample_bytes) == window
