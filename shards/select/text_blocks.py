"""The texts of one column of a side table, which stay on disk: blocks of rows, those used last kept in memory.

A row group is read whole, and cut into blocks of 4,096 rows; of those that nobody asked for as many are kept as there
is room. So samples of some shards at once cost few readings, also where many shards lie in one row group. Promises: the
blocks of all columns of a cache take at most `max_bytes`, or are a single one. Threads may share it.
"""

from __future__ import annotations

import threading
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Iterator
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from shards.dataset.index.rows import MAX_TEXT_BYTES
from shards.order.order import distinct
from shards.select.side_file import LIST_OF_TEXTS, SideFile

if TYPE_CHECKING:
    import pyarrow as pa

_ROWS = 4096


class TextCache:
    """The blocks that are kept of some columns together."""

    def __init__(self, max_bytes: int = 1 << 26) -> None:
        self.max_bytes = max_bytes
        self.held = 0
        """Bytes of the blocks."""
        self.lock = threading.Lock()
        """Held for all but `get`."""
        self._kept: OrderedDict[tuple[int, int], _Block] = OrderedDict()
        """By number of the column and first row; those that were used last come last."""
        self.get = self._kept.get
        self._num_columns = 0

    def new_column(self) -> int:
        """A number for a column."""
        self._num_columns += 1
        return self._num_columns

    def use(self, address: tuple[int, int], block: _Block) -> None:
        """Keep a block that is used now, in place of those that were not used for the longest time."""
        if address not in self._kept:
            self._kept[address] = block
            self.held += block.num_bytes
        self._kept.move_to_end(address)
        while self.held > self.max_bytes and len(self._kept) > 1:
            self.held -= self._kept.popitem(last=False)[1].num_bytes

    def offer(self, address: tuple[int, int], block: _Block) -> None:
        """Keep a block that nobody asked for, if there is room, to be dropped before all others."""
        if self.held + block.num_bytes <= self.max_bytes:
            self._kept[address] = block
            self._kept.move_to_end(address, last=False)
            self.held += block.num_bytes


class TextBlocks:
    """A column of texts, or of lists of texts."""

    def __init__(self, file: SideFile, column: str, cache: TextCache) -> None:
        self._file, self._column, self._cache = file, column, cache
        self._number = cache.new_column()
        self._is_list = file.kinds[column] == LIST_OF_TEXTS
        self._of_group = [list(range(a, b, _ROWS)) for a, b in pairwise(file.first_rows.tolist())]
        """The first row of each block of each row group."""
        self._starts = [start for starts in self._of_group for start in starts]
        self._starts_array = np.array(self._starts, np.int64)
        self.num_read = 0
        """Row groups that were read."""

    def all(self) -> Iterator[tuple[int, list[Any]]]:
        """(first row, values) of every block, in order. Raises SideTableError, SourceError."""
        for group in range(len(self._of_group)):
            with self._cache.lock:
                blocks = self._read(group)
            for start, block in blocks.items():
                yield start, [block.value(number) for number in range(block.num_rows)]

    def prefetch(self, rows: NDArray[Any]) -> None:
        """Have the blocks of rows of the table in memory; -1 is none. Raises SideTableError, SourceError."""
        numbers = distinct(np.searchsorted(self._starts_array, rows[rows >= 0], side="right"))
        with self._cache.lock:
            for number in numbers.tolist():
                self._block(self._starts[number - 1])

    def value(self, row: int) -> Any:
        """The value in a row. Raises SideTableError, SourceError."""
        start = self._starts[bisect_right(self._starts, row) - 1]
        block = self._cache.get((self._number, start))  # without the lock: `prefetch` says which ones are in use
        if block is None:
            with self._cache.lock:
                block = self._block(start)
        return block.value(row - start)

    def _block(self, start: int) -> _Block:
        """The block that begins with this row."""
        block = self._cache.get((self._number, start))
        if block is None:
            block = self._read(bisect_right(self._file.first_rows, start) - 1)[start]
        self._cache.use((self._number, start), block)
        return block

    def _read(self, group: int) -> dict[int, _Block]:
        """The blocks of a row group."""
        self.num_read += 1
        column = self._file.read(group, [self._column]).column(0)
        blocks = {}
        for start in self._of_group[group]:
            block = self._cache.get((self._number, start))
            if block is None:
                block = _Block(column.slice(start - self._of_group[group][0], _ROWS), self._is_list)
                if block.longest > MAX_TEXT_BYTES:
                    found = f"column {self._column!r} holds a text of {block.longest} bytes"
                    raise self._file.error(f"{found}, the limit is {MAX_TEXT_BYTES}; shorten it")
                self._cache.offer((self._number, start), block)
            blocks[start] = block
        return blocks


class _Block:
    """The values of some rows in one piece of memory."""

    def __init__(self, column: pa.ChunkedArray, is_list: bool) -> None:
        import pyarrow as pa

        kind = pa.list_(pa.string()) if is_list else pa.string()
        array = pa.concat_arrays([pa.array([], kind), *column.cast(kind).chunks])
        self.num_rows = len(array)
        self._is_null = np.asarray(array.is_null()).tobytes() if array.null_count else None
        self._list_ends: memoryview | None = None
        if is_list:
            # Ends of lists are made anew: below a list that is null there may be texts all the same.
            lengths = array.value_lengths().fill_null(0).to_numpy()
            self._list_ends = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32).data
            array = array.flatten().fill_null("")
        ends = np.frombuffer(array.buffers()[1] or bytes(4), np.int32)[array.offset :][: len(array) + 1]
        data = array.buffers()[2]
        self._bytes = b"" if data is None else bytes(memoryview(data)[ends[0] : ends[-1]])
        self.longest = int(np.diff(ends).max(initial=0))
        self._ends = (ends - ends[0]).data
        sizes = [len(self._bytes), self._ends.nbytes, len(self._is_null or b"")]
        self.num_bytes = sum(sizes) + (0 if self._list_ends is None else self._list_ends.nbytes)

    def value(self, number: int) -> Any:
        """A text, a list of texts, or None."""
        if self._is_null is not None and self._is_null[number]:
            return None
        ends = self._ends
        if self._list_ends is None:
            return self._bytes[ends[number] : ends[number + 1]].decode()
        own = range(self._list_ends[number], self._list_ends[number + 1])
        return [self._bytes[ends[at] : ends[at + 1]].decode() for at in own]
