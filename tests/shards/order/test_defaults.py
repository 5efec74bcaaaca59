"""The default order is a function of the shard table, and its working set is small."""

from __future__ import annotations

import numpy as np
import pytest

from shards.order.defaults import default_streams, default_window


def test_streams_follow_the_number_of_filled_shards() -> None:
    streams = [default_streams(np.full(count, 5)) for count in (1, 127, 128, 255, 256, 100_000)]
    assert streams == [8, 8, 16, 16, 32, 32]
    assert default_streams([5] * 127 + [0] * 10) == 8


@pytest.mark.parametrize(
    ("counts", "sample_bytes", "streams", "window"),
    [
        ([10, 0, 20], 0, 8, 60),  # bytes not known, as of an ffcv file: four mean shards
        ([10, 0, 20], 100, 8, 60),
        ([1600] * 37, 20_480, 8, 410),  # 64 MiB in all
        ([1600] * 370, 20_480, 32, 103),
        ([1000] * 5000, 1_000_000, 32, 32),  # 1,024 elements in all
        ([4] * 1000, 5_000_000, 32, 16),  # four mean shards are the most
        ([0], 100, 8, 1),
    ],
)
def test_all_windows_together_are_small(counts: list[int], sample_bytes: int, streams: int, window: int) -> None:
    assert default_window(counts, sum(counts) * sample_bytes, streams) == window
