"""Read a csv record by record, each with its lines, so that lines can be read again.

Promises: records are those of the csv module in strict mode (RFC 4180), read lazily. After an error, or a record that
cannot be right, reading can go on at any of its lines.
"""

from __future__ import annotations

import csv
from collections import deque
from collections.abc import Iterator
from typing import NamedTuple, TextIO


class _Lines(NamedTuple):
    """One record as it was read."""

    lines: list[str]
    """Lines as in the file, with line ends."""
    fields: list[str]
    error: str
    """The reason why the lines are no record; empty if they are one."""


class CsvLines:
    """The records of a file from its current position."""

    def __init__(self, file: TextIO, delimiter: str) -> None:
        self._file, self._delimiter = file, delimiter
        self._again: deque[str] = deque()
        self._taken: list[str] = []
        self._reader = self._new_reader()

    def read(self) -> _Lines | None:
        """The next record; None at the end."""
        self._taken = []
        try:
            fields = next(self._reader, None)
        except csv.Error as error:
            self._reader = self._new_reader()
            return _Lines(self._taken, [], str(error))
        return None if fields is None else _Lines(self._taken, fields, "")

    def read_again(self, lines: list[str]) -> None:
        """Read these lines next."""
        self._again.extendleft(reversed(lines))
        self._reader = self._new_reader()

    def _new_reader(self) -> Iterator[list[str]]:
        return csv.reader(self._feed(), delimiter=self._delimiter, strict=True)

    def _feed(self) -> Iterator[str]:
        while line := self._again.popleft() if self._again else self._file.readline():
            self._taken.append(line)
            yield line
