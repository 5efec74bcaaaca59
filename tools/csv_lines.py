"""A csv record by record, each with the lines that it was read from, which can be read again.

Promises: what csv itself makes of the lines (RFC 4180, quotes must be right), lazily; after an error or a record that
is not to be believed, reading goes on at whichever line is wanted.
"""

from __future__ import annotations

import csv
from collections import deque
from collections.abc import Iterator
from typing import NamedTuple, TextIO


class Lines(NamedTuple):
    """What was read as one record."""

    lines: list[str]
    """As they stand in the file, with their ends."""
    fields: list[str]
    error: str
    """Why they are no record, or empty."""


class CsvLines:
    """The records of a file, from where it stands."""

    def __init__(self, file: TextIO, delimiter: str) -> None:
        self._file, self._delimiter = file, delimiter
        self._again: deque[str] = deque()
        self._taken: list[str] = []
        self._reader = self._new_reader()

    def read(self) -> Lines | None:
        """The next record; None at the end."""
        self._taken = []
        try:
            fields = next(self._reader, None)
        except csv.Error as error:
            self._reader = self._new_reader()
            return Lines(self._taken, [], str(error))
        return None if fields is None else Lines(self._taken, fields, "")

    def read_again(self, lines: list[str]) -> None:
        """Let these lines come next."""
        self._again.extendleft(reversed(lines))
        self._reader = self._new_reader()

    def _new_reader(self) -> Iterator[list[str]]:
        return csv.reader(self._feed(), delimiter=self._delimiter, strict=True)

    def _feed(self) -> Iterator[str]:
        while line := self._again.popleft() if self._again else self._file.readline():
            self._taken.append(line)
            yield line
