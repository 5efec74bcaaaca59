"""Columns of some rows of index.parquet as plain arrays."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, overload

import numpy as np
from numpy.typing import NDArray

from shards.dataset.index.schema import KEY_FRAME_COLUMNS
from shards.media.facts import KeyFrames

if TYPE_CHECKING:
    import pyarrow as pa


class PackedTexts(Sequence[str]):
    """Many short texts in one piece of memory: a string of its own for each takes five times as much."""

    def __init__(self, array: pa.StringArray) -> None:
        _, ends, data = array.buffers()
        bounds = np.frombuffer(ends, np.int32)[array.offset : array.offset + len(array) + 1].copy()
        self._bytes = b"" if data is None else bytes(memoryview(data)[bounds[0] : bounds[-1]])
        self._bounds = bounds - bounds[0]

    def __len__(self) -> int:
        return len(self._bounds) - 1

    @overload
    def __getitem__(self, at: int) -> str: ...
    @overload
    def __getitem__(self, at: slice) -> list[str]: ...
    def __getitem__(self, at: int | slice) -> str | list[str]:
        numbers = range(len(self))[at]
        if isinstance(numbers, range):
            return [self[number] for number in numbers]
        return self._bytes[self._bounds[numbers] : self._bounds[numbers + 1]].decode()


def compact(values: NDArray[Any]) -> NDArray[Any]:
    """The same numbers in as few bytes as they need; a column that says one thing takes no room."""
    if len(values) and (values == values[0]).all():
        return np.broadcast_to(values[:1].copy(), values.shape)
    if values.dtype.kind in "iu" and len(values):
        low, high = values.min(), values.max()
        for kind in (np.int8, np.int16, np.int32):
            if np.iinfo(kind).min <= low and high <= np.iinfo(kind).max:
                return values.astype(kind)
    return values.copy()


def flat(lists: pa.ListArray) -> pa.Array:
    """All entries; `flatten` does the same through pyarrow.compute, which takes 9 MB and 25 ms to import."""
    bounds = lists.offsets
    start, stop = bounds[0].as_py(), bounds[-1].as_py()
    return lists.values.slice(start, stop - start)


class GopTables:
    """The GOP tables of one shard as plain arrays."""

    def __init__(self, table: pa.Table) -> None:
        columns = [table.column(name).combine_chunks() for name in KEY_FRAME_COLUMNS]
        starts = [np.asarray(column.offsets) - column.offsets[0].as_py() for column in columns]
        values = [column.flatten() for column in columns]
        self._starts = starts[0]
        whole = all(np.array_equal(starts[0], other) for other in starts[1:])
        if not whole or any(len(value) != self._starts[-1] or value.null_count for value in values):
            raise ValueError("has GOP tables with gaps")
        self._values = [value.to_numpy(zero_copy_only=False).copy() for value in values]

    def __len__(self) -> int:
        return int(self._starts[-1])

    def of(self, row: int) -> KeyFrames:
        """The table of one sample."""
        here = slice(self._starts[row], self._starts[row + 1])
        return KeyFrames(*(value[here].tolist() for value in self._values))
