"""Two files to scan the headers of a shard: the bytes that were kept of it, and the shard itself read in strides."""

from __future__ import annotations

import bisect

from shards.storage.file import SeekableFile
from shards.storage.source import Source


class KeptHeaders(SeekableFile):
    """A shard without its members: the bytes between them, and zeros in place of the members."""

    def __init__(self, size: int, name: str, max_bytes: int) -> None:
        super().__init__(size, name)
        self._max_bytes = max_bytes
        self._starts: list[int] = []
        self._pieces: list[bytes] = []
        self._held = 0
        self.complete = True

    def keep(self, start: int, view: memoryview, position: int, stop: int) -> None:
        """Keep the bytes from start to stop of the shard that are in `view`, which begins at `position`."""
        start, stop = max(start, position), min(stop, position + len(view))
        if start >= stop or not self.complete:
            return
        if self._held + stop - start > self._max_bytes:
            self.complete = False
            self._starts, self._pieces = [], []
            return
        self._starts.append(start)
        self._pieces.append(bytes(view[start - position : stop - position]))
        self._held += stop - start

    def _get(self, offset: int, length: int) -> bytes:
        at = bisect.bisect_right(self._starts, offset) - 1
        if at >= 0 and offset + length <= self._starts[at] + len(self._pieces[at]):
            return self._pieces[at][offset - self._starts[at] :][:length]
        out = bytearray(length)
        for number in range(max(at, 0), len(self._starts)):
            start, piece = self._starts[number], self._pieces[number]
            if start >= offset + length:
                break
            low, high = max(start, offset), min(start + len(piece), offset + length)
            if low < high:
                out[low - offset : high - offset] = piece[low - start : high - start]
        return bytes(out)


class ReadAhead(SeekableFile):
    """A shard of a store, fetched in strides for a scan that reads small pieces at rising offsets."""

    def __init__(self, shards: Source, name: str, size: int, stride: int) -> None:
        super().__init__(size, f"{shards.url}/{name}")
        self._shards, self._file, self._stride = shards, name, stride
        self._start, self._data = 0, b""

    def _get(self, offset: int, length: int) -> bytes:
        if not self._start <= offset <= offset + length <= self._start + len(self._data):
            self._start, self._data = offset, self._shards.read(self._file, offset, max(length, self._stride))
        return self._data[offset - self._start :][:length]
