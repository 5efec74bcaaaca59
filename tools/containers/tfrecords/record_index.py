"""T2VLP's text index of TFRecords: a line for each record, "vid<TAB>path of the file<TAB>byte at which it begins".

Promises: the lines of one file are together, which is checked before the first is given out, so memory is the lines of
one file; lines that cannot be read are BadRows.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

from tools.annotations import tsv_lines
from tools.rows import MALFORMED, AnnotationError, BadRow

_MAX_OFFSET = 1 << 60


class IndexLine(NamedTuple):
    """A line of the index."""

    place: str
    vid: str
    file: str
    """As the index says it: a path on another machine, most often."""
    offset: int


class RecordIndex:
    """An index whose lines are in the order of the files. num_lines: for progress."""

    def __init__(self, path: Path) -> None:
        """Raises AnnotationError."""
        self.path, self.num_lines = path, 0
        seen: set[str] = set()
        last = first_bad = None
        for line in self._lines():
            self.num_lines += 1
            if isinstance(line, BadRow):
                first_bad = first_bad or line
            elif line.file != last:
                if line.file in seen:
                    raise AnnotationError(
                        f"{path} {line.place}: {line.file} comes back after other files; sort the index by file and "
                        f"offset: sort -t '\\t' -k2,2 -k3,3n {path.name}"
                    )
                seen.add(line.file)
                last = line.file
        if not seen:
            found = f"has no line that can be read ({first_bad.reason})" if first_bad else "has no lines"
            raise AnnotationError(f"{path}: {found}; give T2VLP's index, a line for each record")

    def by_file(self) -> Iterator[tuple[str, list[IndexLine]] | BadRow]:
        """(file, its lines), and the lines that cannot be read."""
        for file, lines in groupby(self._lines(), key=lambda line: line.file if isinstance(line, IndexLine) else None):
            found = list(lines)
            yield from (line for line in found if isinstance(line, BadRow))
            if file is not None:
                yield file, [line for line in found if isinstance(line, IndexLine)]

    def _lines(self) -> Iterator[IndexLine | BadRow]:
        for number, fields in tsv_lines(self.path):
            place = f"line {number}"
            if fields == [""]:
                continue
            offset = fields[2].strip() if len(fields) == 3 else ""
            if not (offset.isdecimal() and offset.isascii()) or len(offset) > 19 or int(offset) > _MAX_OFFSET:
                what = f"expected vid, tab, path, tab, byte; found {str(fields)[:100]}; correct the line"
                yield BadRow.at(place, self.path, MALFORMED, what)
            elif not fields[0].strip() or not fields[1].strip():
                yield BadRow.at(place, self.path, MALFORMED, "no vid or no path; correct the line")
            else:
                yield IndexLine(place, fields[0].strip(), fields[1].strip(), int(offset))
