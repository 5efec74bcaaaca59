"""Small reads of a file that is far away, fetched in large pieces."""

from __future__ import annotations

from shards.dataset.tars.entries import ReadAt

_WINDOW = 1 << 22
_BEHIND_WINDOW = 1 << 16
"""Bytes that are fetched at once from a file that is not on this machine: where members follow each other,
and behind a larger one."""


class Window:
    """Reads of a few bytes, fetched in large pieces."""

    def __init__(self, read_at: ReadAt) -> None:
        self._read_at = read_at
        self._piece, self._start = b"", 0
        self._size, self._last = _WINDOW, 0

    def read(self, length: int, offset: int) -> bytes:
        at = offset - self._start
        jump, self._last = offset - self._last, offset
        if at < 0 or at + length > len(self._piece):
            self._size = min(_WINDOW, 4 * self._size) if jump < _WINDOW else _BEHIND_WINDOW
            self._piece, self._start, at = self._read_at(max(self._size, length), offset), offset, 0
        return self._piece[at : at + length]
