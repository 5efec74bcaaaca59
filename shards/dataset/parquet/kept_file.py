"""A file that keeps the column chunks that are being read, so that what was checked is what Arrow reads."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from shards.dataset.parquet.footer import Chunk
from shards.storage.file import SeekableFile

MAX_GROUP = 1 << 29
"""Bytes that the columns that are read of a row group may take, as they are stored and in memory."""
_NEAR = 1 << 16
"""Column chunks with a smaller gap between them are fetched at once."""


class KeptFile(SeekableFile):
    """A file that fetches column chunks once while `keeping` is entered, and other bytes whenever they are read."""

    def __init__(self, file: SeekableFile) -> None:
        super().__init__(file.seek(0, 2), file.name)
        self.num_bytes = file.tell()
        self._file = file
        self._pieces: list[tuple[int, bytes]] = []
        """(offset, bytes) of what is kept."""

    @contextmanager
    def keeping(self, chunks: Sequence[Chunk]) -> Iterator[list[memoryview]]:
        """Fetch some column chunks and keep them meanwhile; gives the bytes of each."""
        spans: list[list[int]] = []
        for start, stop in sorted((chunk.start, chunk.stop) for chunk in chunks):
            if spans and start <= spans[-1][1] + _NEAR:
                spans[-1][1] = max(spans[-1][1], stop)
            else:
                spans.append([start, stop])
        if sum(stop - start for start, stop in spans) > MAX_GROUP:
            raise ValueError(f"has more than {MAX_GROUP >> 20} MiB")
        pieces = []
        for start, stop in spans:
            self.seek(start)
            pieces.append((start, self.read(stop - start)))
        self._pieces += pieces
        try:
            yield [_bytes_of(chunk, pieces) for chunk in chunks]
        finally:
            for piece in pieces:
                self._pieces.remove(piece)

    def _get(self, offset: int, length: int) -> bytes:
        for start, data in self._pieces:
            if start <= offset and offset + length <= start + len(data):
                return data[offset - start : offset - start + length]
        self._file.seek(offset)
        return self._file.read(length)


def _bytes_of(chunk: Chunk, pieces: Sequence[tuple[int, bytes]]) -> memoryview:
    first, data = next((at, data) for at, data in pieces if at <= chunk.start and chunk.stop <= at + len(data))
    return memoryview(data)[chunk.start - first : chunk.stop - first]
