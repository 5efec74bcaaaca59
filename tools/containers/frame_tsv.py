"""LAVENDER's and VIOLET's TSV of pictures: a line per medium, fields of base64, and the byte at which each line begins.

Promises: memory is one line, of at most MAX_LINE bytes; a .lineidx is compared with the file before a line is given
out, and an entry that is not the begin of a line is refused with its line.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from tools.annotations import check_file
from tools.containers.files import PIECE, Damaged
from tools.rows import AnnotationError

MAX_LINE = 1 << 29
"""Bytes of a line; 32 frames of 1 MB take a tenth of it."""


class TsvLine(NamedTuple):
    """A line: its number from 1, the byte at which it begins, and its fields or what is wrong with it."""

    number: int
    offset: int
    fields: list[bytes] | Damaged


def read_tsv(path: Path) -> Iterator[TsvLine]:
    """The lines of a file; empty ones are passed over."""
    check_file(path)
    with open(path, "rb") as file:
        number = offset = 0
        while line := file.readline(MAX_LINE):
            number += 1
            length = len(line)
            if length == MAX_LINE and not line.endswith(b"\n"):
                while piece := file.readline(PIECE):
                    length += len(piece)
                    if piece.endswith(b"\n"):
                        break
                yield TsvLine(
                    number, offset, Damaged(f"has {length:,} bytes, allowed are {MAX_LINE:,}; accept the loss")
                )
            elif line.strip():
                yield TsvLine(number, offset, line.rstrip(b"\r\n").split(b"\t"))
            offset += length


def line_index(tsv: Path) -> Path | None:
    """The .lineidx beside a .tsv, if there is one."""
    path = tsv.with_suffix(".lineidx")
    return path if path.is_file() else None


def check_line_index(path: Path, tsv: Path) -> int:
    """Compare a .lineidx with its file; returns the number of its entries. Raises AnnotationError."""
    again = f"it is not that of {tsv.name}: make it again, or delete it (it is not needed)"
    num_bytes = tsv.stat().st_size
    last, count = -1, 0
    with open(tsv, "rb") as file:
        for number, offset in line_offsets(path):
            if not last < offset < num_bytes:
                found = f"byte {offset:,}, after {last:,}" if offset <= last else f"byte {offset:,} of {num_bytes:,}"
                raise AnnotationError(f"{path} line {number}: {found}; {again}")
            if offset and os.pread(file.fileno(), 1, offset - 1) != b"\n":
                raise AnnotationError(f"{path} line {number}: byte {offset:,} is not the begin of a line; {again}")
            last, count = offset, count + 1
    return count


def line_offsets(path: Path) -> Iterator[tuple[int, int]]:
    """(line of the .lineidx, byte in the .tsv) of each entry. Raises AnnotationError for a line that is no number."""
    with open(path, "rb") as file:
        number = 0
        while line := file.readline(64):
            number += 1
            text = line.strip()
            if not (text.isdigit() and len(text) < 20):
                raise AnnotationError(
                    f"{path} line {number}: expected the byte at which a line of the .tsv begins, found {text[:20]!r}; "
                    "make the index again, or delete it (it is not needed)"
                )
            yield number, int(text)
