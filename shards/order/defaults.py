"""The streams and the window of a dataset whose config names none: a function of its shard table alone.

Promises: never of the machine, the store, the link or the number of ranks, so that the same config gives the same order
everywhere. All windows together are small, because from a store far away no batch is complete before the windows that
it draws from have come, and at most an eighth of many shards is in use at once. Gives up: elements that lie within one
window of a shard come close to each other in every pass.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

_FEWEST_STREAMS, _MOST_STREAMS = 8, 32
_SHARDS_PER_STREAM = 8
_POOL_BYTES, _POOL_ELEMENTS = 64 << 20, 1024
"""What all windows together hold: so many bytes, but no fewer elements."""
_MOST_SHARDS = 4
"""Mean shards that a window of small elements spans at most: a cache holds all of them at once."""


def default_streams(counts: npt.ArrayLike) -> int:
    """The number of streams. counts: elements of each shard; empty shards do not count."""
    streams = _FEWEST_STREAMS
    while 2 * streams <= _MOST_STREAMS and 2 * streams * _SHARDS_PER_STREAM <= np.count_nonzero(counts):
        streams *= 2
    return streams


def default_window(counts: npt.ArrayLike, num_bytes: int, streams: int) -> int:
    """The elements of a window. counts: as above. num_bytes: of all shards together; 0: not known."""
    filled = np.asarray(counts, dtype=np.int64)
    filled = filled[filled > 0]
    if not filled.size:
        return 1
    most = max(1, round(_MOST_SHARDS * float(filled.mean())))
    if not num_bytes:
        return most
    return min(most, -(-max(_POOL_ELEMENTS, _POOL_BYTES * int(filled.sum()) // num_bytes) // streams))
