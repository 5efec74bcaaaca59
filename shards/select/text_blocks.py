"""The texts of one column of a side table, which stay on disk: blocks of rows, those used last kept in memory.

A row group is read whole, and cut into blocks of 4,096 rows; of those that nobody asked for as many are kept as there
is room. So samples of some shards at once cost few readings, also where many shards lie in one row group. Promises: the
blocks take at most `max_bytes`, or are a single one. Threads may share it.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from shards.dataset.index.rows import MAX_TEXT_BYTES
from shards.order.order import Int64
from shards.select.side_file import LIST_OF_TEXTS, SideFile

if TYPE_CHECKING:
    import pyarrow as pa

_ROWS = 4096


class TextBlocks:
    """A column of texts, or of lists of texts."""

    def __init__(self, file: SideFile, column: str, max_bytes: int = 1 << 26) -> None:
        self._file, self._column, self._max_bytes = file, column, max_bytes
        self._kept: OrderedDict[tuple[int, int], pa.Array] = OrderedDict()
        """By row group and number inside it; those that were used last come last."""
        self._held = 0
        self._lock = threading.Lock()
        self.num_read = 0
        """Row groups that were read."""

    @property
    def held(self) -> int:
        """Bytes of the blocks that are kept."""
        return self._held

    def all(self) -> Iterator[tuple[int, list[Any]]]:
        """(first row, values) of every block, in order."""
        for group, first in enumerate(self._file.first_rows[:-1].tolist()):
            with self._lock:
                blocks = self._read(group)
            for number, block in enumerate(blocks):
                yield first + number * _ROWS, block.to_pylist()

    def values(self, rows: Int64) -> list[Any]:
        """The values in these rows of the table, in order; None for row -1. Raises SideTableError, SourceError."""
        found: list[Any] = [None] * len(rows)
        group = np.searchsorted(self._file.first_rows, rows, side="right") - 1
        inside = rows - self._file.first_rows[np.maximum(group, 0)]
        wanted: dict[tuple[int, int], list[int]] = {}
        for at, address in enumerate(zip(group.tolist(), (inside // _ROWS).tolist(), strict=True)):
            if address[0] >= 0:
                wanted.setdefault(address, []).append(at)
        for address in sorted(wanted):
            places = wanted[address]
            with self._lock:
                block = self._block(*address)
            values = block.take(inside[places] % _ROWS).to_pylist()
            for at, value in zip(places, values, strict=True):
                found[at] = value
        return found

    def _block(self, group: int, number: int) -> pa.Array:
        block = self._kept.get((group, number))
        if block is None:
            block = self._read(group)[number]
            if (group, number) not in self._kept:
                self._kept[group, number] = block
                self._held += block.get_total_buffer_size()
        self._kept.move_to_end((group, number))
        while self._held > self._max_bytes and len(self._kept) > 1:
            self._held -= self._kept.popitem(last=False)[1].get_total_buffer_size()
        return block

    def _read(self, group: int) -> list[pa.Array]:
        """The blocks of a row group. As many of them are kept as there is room, to be dropped before all others."""
        self.num_read += 1
        column = self._file.read(group, [self._column]).column(0)
        blocks = []
        for number, start in enumerate(range(0, len(column), _ROWS)):
            block = self._kept.get((group, number))
            if block is None:
                block = self._as_texts(column, start)
                size = block.get_total_buffer_size()
                if self._held + size <= self._max_bytes:
                    self._kept[group, number] = block
                    self._kept.move_to_end((group, number), last=False)
                    self._held += size
            blocks.append(block)
        return blocks

    def _as_texts(self, column: pa.ChunkedArray, start: int) -> pa.Array:
        """A block in memory of its own, as plain texts or lists of them."""
        import pyarrow as pa

        is_list = self._file.kinds[self._column] == LIST_OF_TEXTS
        kind = pa.list_(pa.string()) if is_list else pa.string()
        # A slice would keep the whole row group in memory.
        block = column.take(pa.array(np.arange(start, min(start + _ROWS, len(column))))).cast(kind).combine_chunks()
        texts = block.flatten() if is_list else block
        longest = int(np.diff(np.frombuffer(texts.buffers()[1] or b"", np.int32)[texts.offset :]).max(initial=0))
        if longest > MAX_TEXT_BYTES:
            raise self._file.error(
                f"column {self._column!r} holds a text of {longest} bytes, the limit is {MAX_TEXT_BYTES}; shorten it"
            )
        return block
