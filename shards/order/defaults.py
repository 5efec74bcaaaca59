"""The streams and the window of a dataset whose config names none: a function of its shard table alone.

Promises: never of the machine, the store, the link or the number of ranks, so that the same config gives the same order
everywhere. A window is a few megabytes, because from a store far away no batch is complete before the windows that it
draws from have come; many streams make up for short windows: a batch draws from as many shards as it can.
Gives up: elements within one window of a shard come close to each other in every pass.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

_FEW_STREAMS, _MANY_STREAMS = 16, 32
_MANY_SHARDS = 128
"""Shards from which on a dataset has many streams: of a smaller one they would have all shards in use at once."""
_WINDOW_BYTES = 8 << 20
_LEAST_WINDOW = 64
"""Elements; fewer would be hardly shuffled, whatever their size."""
_MOST_SHARDS = 4
"""Mean shards that a window of small elements spans at most: a cache holds all of them at once."""


def default_streams(counts: npt.ArrayLike) -> int:
    """The number of streams. counts: elements of each shard; empty shards do not count."""
    return _MANY_STREAMS if np.count_nonzero(counts) >= _MANY_SHARDS else _FEW_STREAMS


def default_window(counts: npt.ArrayLike, num_bytes: int) -> int:
    """The elements of a window. counts: as above. num_bytes: of all shards together; 0: not known."""
    filled = np.asarray(counts, dtype=np.int64)
    filled = filled[filled > 0]
    if not filled.size:
        return 1
    most = max(1, round(_MOST_SHARDS * float(filled.mean())))
    if not num_bytes:
        return most
    return min(most, max(_LEAST_WINDOW, _WINDOW_BYTES * int(filled.sum()) // num_bytes))
