"""Share: the part of every global batch that the partition gives to one rank, told without dealing the batch.

Promises, for batches of one dataset: whatever `deal` gives to the rank is in its share, and nothing else is where the
number of streams divides the batch; elsewhere the share reaches less than one round of the streams too far. Gives up:
the batch that crosses the end of a pass, unless the streams are equally long.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

_Int64 = npt.NDArray[np.int64]


class Share(NamedTuple):
    """What a rank takes of all batches from a position on."""

    batch_size: int
    rank: int
    world_size: int
    offset: int = 0
    """Elements of the first batch that lie before the position."""

    def behind(self, num_elements: int) -> Share:
        """The share from a position on that lies so many elements further on."""
        return self._replace(offset=(self.offset + num_elements) % self.batch_size)

    def slots(self, streams: int) -> tuple[_Int64, _Int64]:
        """(C,) the first and (C,) the end of what the rank takes of each stream's elements in a batch, both counted in
        the stream; nothing where the end is not behind the first."""
        base, extra = divmod(self.batch_size, streams)
        stream = np.arange(streams)
        # Elements of the batch in the streams before each one; those of an incomplete round may begin at any stream.
        fewest = base * stream + np.maximum(0, stream + extra - streams)
        most = base * stream + np.minimum(stream, extra)
        size = self.batch_size // self.world_size
        first, end = self.rank * size - most, (self.rank + 1) * size - fewest
        return np.maximum(0, first), np.minimum(end, base + (extra > 0))

    def next(self, streams: int, stream: _Int64, index: _Int64, position: int) -> tuple[_Int64, _Int64]:
        """(n,) the first element from element `index` (n,) of a stream (n,) on that the rank takes, as an index too.
        (n,) how many elements of its stream, taken by other ranks, lie before the rank's in the batch.

        position: the one, in its pass, from which on the share counts. The rank must take something of the streams.
        """
        first, end = (slot[stream] for slot in self.slots(streams))
        # Position of element 0 of the stream, counted from the beginning of the first batch.
        zero = stream + self.offset - position
        batch = (zero + index * streams) // self.batch_size
        batch += index >= end - (zero - batch * self.batch_size) // streams
        begin = -((zero - batch * self.batch_size) // streams)
        return np.maximum(index, begin + first), first


ALL = Share(1, 0, 1)
"""What all ranks take together."""
