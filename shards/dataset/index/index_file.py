"""index.parquet as a file of which pieces may have been fetched before."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from shards.dataset.index.files import INDEX_FILE
from shards.storage.file import SeekableFile
from shards.storage.source import Source


class IndexFile(SeekableFile):
    """index.parquet, read from pieces that were fetched before or else from its source."""

    def __init__(self, source: Source, num_bytes: int, tail: bytes) -> None:
        super().__init__(num_bytes, f"{source.url}/{INDEX_FILE}")
        self._source, self.num_bytes = source, num_bytes
        self._pieces = [(num_bytes - len(tail), tail)]
        """(offset, bytes)"""

    def forget_tail(self) -> None:
        """Drop the footer, which was read; a small file is kept, as its tail is all of it."""
        self._pieces = [(start, data) for start, data in self._pieces if not start]

    @contextmanager
    def holding(self, pieces: Sequence[tuple[int, bytes]]) -> Iterator[None]:
        """Read from these pieces meanwhile, each given with its offset."""
        self._pieces += pieces
        try:
            yield
        finally:
            del self._pieces[len(self._pieces) - len(pieces) :]

    def has(self, offset: int, length: int) -> bool:
        """True if one piece holds all of a byte range."""
        return any(start <= offset and offset + length <= start + len(data) for start, data in self._pieces)

    def _get(self, offset: int, length: int) -> bytes:
        for start, data in self._pieces:
            if start <= offset and offset + length <= start + len(data):
                return data[offset - start : offset - start + length]
        return self._source.read(INDEX_FILE, offset, length)
