"""The pages of a column chunk: what their headers say, and how long the texts in them are when expanded.

Nothing is expanded here but single pages whose header was checked. What is wrong is a ValueError.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from shards.dataset.parquet.footer import CODECS
from shards.dataset.parquet.thrift import Thrift

_MAX_PAGES = 1 << 16
_MAX_HEADER = 1 << 16
_MAX_PAGE = 1 << 28


class _Page:
    """A page: its header, and where its body lies."""

    def __init__(self, header: dict[int, Any], data: memoryview, at: int) -> None:
        try:
            self.raw, self.packed = int(header[2]), int(header[3])
            kind = header[1]
            self.is_dictionary = kind == 2
            about = header.get({0: 5, 2: 7, 3: 8}.get(kind, -1), {})
            self.num_entries = int(about[1]) if self.is_dictionary else 0
            self.num_values = int(about[1]) if kind in (0, 3) else 0
            self.encoding = int(about[4 if kind == 3 else 2]) if kind in (0, 3) else -1
            self._levels = int(about[5]) + int(about[6]) if kind == 3 else None
            self._is_packed = bool(about.get(7, True)) if kind == 3 else True
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError("has a page whose header lacks its sizes") from error
        if not 0 <= self.raw <= _MAX_PAGE or not 0 <= self.packed <= len(data) - at or self.num_values < 0:
            raise ValueError(f"has a page of {self.raw} bytes ({self.packed} packed) and {self.num_values} values")
        self._data, self._at = data, at
        self.end = at + self.packed

    def body(self, compression: str) -> memoryview:
        """The decompressed body of a data page of version 1 or of a dictionary page."""
        return _unpacked(self._data[self._at : self.end], compression, self.raw)

    def values(self, compression: str, num_levels: int) -> memoryview:
        """The decompressed values of a data page, which follow its repetition and definition levels."""
        if self._levels is not None:
            if not 0 <= self._levels <= min(self.packed, self.raw):
                raise ValueError("has a page whose levels are longer than it is")
            packed = self._data[self._at + self._levels : self.end]
            return _unpacked(packed, compression if self._is_packed else CODECS[0], self.raw - self._levels)
        body = self.body(compression)
        for _ in range(num_levels):
            body = body[4 + int.from_bytes(body[:4], "little") :]
        return body


def pages(data: memoryview, num_values: int) -> Iterator[_Page]:
    """The pages that a reader takes to get num_values values."""
    at = seen = 0
    for _ in range(_MAX_PAGES):
        if seen >= num_values or at >= len(data):
            return
        header = Thrift(data[: at + _MAX_HEADER], at)
        page = _Page(header.struct(), data, header.at)
        yield page
        seen, at = seen + page.num_values, page.end
    raise ValueError(f"has more than {_MAX_PAGES} pages")


def _unpacked(data: memoryview, compression: str, size: int) -> memoryview:
    import pyarrow as pa

    if compression == CODECS[0] or not size:
        return data[:size]
    try:
        codec = pa.Codec(compression)
        return memoryview(codec.decompress(data, size)).cast("B")
    except (OSError, pa.ArrowException) as error:
        raise ValueError(f"has a page that cannot be unpacked ({error})") from error
