"""LAVENDER's and VIOLET's TSV of pictures: a line per medium, fields of base64, and the byte at which each line begins.

Promises: memory is one line, of at most MAX_LINE bytes; a .lineidx and an .id2lineidx.pkl are compared with the file
before a line is given out, and an entry that is not the begin of a line (of this id) is refused.
"""

from __future__ import annotations

import base64
import binascii
import os
from collections import Counter
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from shards.media import picture_extension
from tools.annotations import check_file
from tools.containers.files import PIECE, Damaged
from tools.pickles.reading import load_pickle
from tools.rows import AnnotationError

MAX_LINE = 1 << 29
"""Bytes of a line; 32 frames of 1 MB take a tenth of it."""


_LOOKED_AT = 20
"""Lines that tell the form of a file."""
_HEAD = 64
"""Characters of base64 that tell a picture."""


class Form(NamedTuple):
    """Where pictures stand in the lines of a file, as most of its first lines have it."""

    first: int
    """The column of the first picture."""
    pictures: int | None
    """Pictures of a line; None: there is no number that most lines have."""


def form_of(path: Path) -> Form | None:
    """The form of a file, found and not assumed: the columns before the first picture are not the same everywhere.
    None: none of the first lines holds a picture."""
    firsts: Counter[int] = Counter()
    counts: Counter[int] = Counter()
    for line in islice(read_tsv(path), _LOOKED_AT):
        fields = [] if isinstance(line.fields, Damaged) else line.fields
        first = next((column for column, field in enumerate(fields) if column and _is_picture(field)), None)
        if first is not None:
            firsts[first] += 1
            counts[len(fields) - first] += 1
    if not firsts:
        return None
    count, times = counts.most_common(1)[0]
    is_rule = times > 2 and 2 * times > counts.total()
    return Form(min(firsts, key=lambda column: (-firsts[column], column)), count if is_rule else None)


def _is_picture(field: bytes) -> bool:
    try:
        return bool(picture_extension(base64.b64decode(field[:_HEAD], validate=True)))
    except (binascii.Error, ValueError):
        return False


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


def id_index(tsv: Path) -> Path | None:
    """The .id2lineidx.pkl beside a .tsv, if there is one."""
    path = tsv.with_suffix(".id2lineidx.pkl")
    return path if path.is_file() else None


def check_id_index(path: Path, tsv: Path) -> None:
    """Compare an .id2lineidx.pkl, {id: byte}, with its file; nothing in it is run. Raises AnnotationError."""
    again = f"it is not that of {tsv.name}: make it again, or delete it (it is not needed)"
    try:
        bytes_of = load_pickle(path)
    except AnnotationError as error:
        raise AnnotationError(f"{error}; or delete it (it is not needed)") from error
    if not isinstance(bytes_of, dict):
        raise AnnotationError(f"{path}: expected {{id: byte}}, found {type(bytes_of).__name__}; {again}")
    with open(tsv, "rb") as file:
        for identifier, offset in bytes_of.items():
            if type(offset) is not int or not 0 <= offset < 1 << 62:
                raise AnnotationError(
                    f"{path}: id {identifier!r} is at {str(offset)[:40]!r}, which is no byte; {again}"
                )
            begin = max(0, offset - 1)
            line = b"\n" * (offset > 0) + str(identifier).encode("utf-8", "surrogatepass") + b"\t"
            if os.pread(file.fileno(), len(line), begin) != line:
                what = f"no line of the id {identifier!r} begins at byte {offset:,}"
                raise AnnotationError(f"{path}: {what}; {again}")


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
