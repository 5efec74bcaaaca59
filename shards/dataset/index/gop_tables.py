"""The GOP tables of one shard, read from index.parquet: where the key frames of its videos lie."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from shards.dataset.index.schema import KEY_FRAME_COLUMNS
from shards.media.facts import TIME_MARK, KeyFrames

if TYPE_CHECKING:
    import pyarrow as pa


class GopTables:
    """The GOP tables of the samples of one shard as plain arrays."""

    def __init__(self, table: pa.Table) -> None:
        columns = [table.column(name).combine_chunks() for name in KEY_FRAME_COLUMNS]
        starts = [np.asarray(column.offsets) - column.offsets[0].as_py() for column in columns]
        values = [column.flatten() for column in columns]
        self._starts = starts[0]
        whole = all(np.array_equal(starts[0], other) for other in starts[1:])
        if not whole or any(len(value) != self._starts[-1] or value.null_count for value in values):
            raise ValueError("has GOP tables with gaps")
        self._values = [value.to_numpy(zero_copy_only=False).copy() for value in values]
        are_keys = np.append(0, np.cumsum(self._values[KEY_FRAME_COLUMNS.index("key_frame_offset")] != TIME_MARK))
        self.num_key_frames: NDArray[np.int64] = np.diff(are_keys[self._starts])
        """(n,) key frames of each sample, time marks not counted."""

    def __len__(self) -> int:
        return int(self._starts[-1])

    def of(self, row: int) -> KeyFrames:
        """The table of one sample."""
        here = slice(self._starts[row], self._starts[row + 1])
        return KeyFrames(*(value[here].tolist() for value in self._values))
