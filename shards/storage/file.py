"""Files as Python's io has them, over bytes in memory and over a file of a source."""

from __future__ import annotations

import io
import os

from shards.storage.source import Source


class SeekableFile(io.RawIOBase):
    """A read-only binary file of known size; subclasses define `_get`."""

    def __init__(self, size: int, name: str) -> None:
        self.name = name
        self._size, self._position = size, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._size}[whence]
        self._position = max(0, base + offset)
        return self._position

    def read(self, size: int | None = -1) -> bytes:
        length = max(0, self._size - self._position)
        if size is not None and size >= 0:
            length = min(length, size)
        data = self._get(self._position, length) if length else b""
        self._position += len(data)
        return data

    def readall(self) -> bytes:
        return self.read()

    def _get(self, offset: int, length: int) -> bytes:
        """Bytes of the file; the range lies inside it."""
        raise NotImplementedError


class BytesFile(SeekableFile):
    """Bytes in memory as a file."""

    def __init__(self, data: bytes, name: str) -> None:
        super().__init__(len(data), name)
        self._data = data

    def _get(self, offset: int, length: int) -> bytes:
        return self._data[offset : offset + length]


class SourceFile(SeekableFile):
    """A file of a source, for code that needs a file object (pyarrow, tar scan)."""

    def __init__(self, source: Source, name: str) -> None:
        super().__init__(source.stat(name).size, f"{source.url}/{name}")
        self._source, self._file = source, name

    def _get(self, offset: int, length: int) -> bytes:
        return self._source.read(self._file, offset, length)
