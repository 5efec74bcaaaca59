"""LAVENDER's and VIOLET's TSVs: the frames of a video, or a picture, as base64 JPEGs in a line.

- img_webvid2.5m_train_0.tsv ...: id<TAB>base64<TAB>base64 ..., as LAVENDER's own tool writes it and its pre-training
  reads it; in webvid10m's training files and downstream files with a second column of their own the frames begin at
  column 2 (--first-frame 2). One picture is a still; several are a frame sample, whose times are not known.
- img_....lineidx beside it: the byte at which each line begins; compared with the file, and not needed. The pickled
  id2lineidx is neither read nor needed.
- texts: txt_webvid2.5m.json, {"train": {id: [captions]}, "val": ...}; downstream lists, {"train": [{"video",
  "caption"}]}; other forms of tools/containers/texts_by_id.py.

A line without text and a text without line are quarantined. Keys are ids.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from tools.annotations import about_records
from tools.arguments import AnnotationsFile
from tools.containers.columns import Columns, DataPath, SplitName
from tools.containers.files import Damaged
from tools.containers.frame_tsv import TsvLine, check_line_index, line_index, line_offsets, read_tsv
from tools.containers.table_rows import TableRows
from tools.containers.texts_by_id import TextsById
from tools.rows import BAD_MEDIA, MALFORMED, NO_TEXT, BadRow, CountedRows, OptionError, Row

_COLUMNS = Columns("frames", "caption", "id")


def rows(
    data: DataPath,
    annotations: AnnotationsFile,
    split: SplitName = None,
    first_frame: Annotated[int, typer.Option(min=1, max=16, help="The column of the first picture; ids are in 0.")] = 1,
) -> CountedRows:
    """LAVENDER's and VIOLET's TSVs of base64 pictures.

    Give an images .tsv, or the folder of its parts, and the texts as --annotations txt_DATASET.json with --split. Of a
    folder with the parts of several splits, those with the split in their names are taken.
    """
    files = _files(data, split)
    texts = TextsById(annotations, split, is_split_known=data.is_dir())
    about = 0
    for path in files:
        index = line_index(path)
        about += about_records(path) if index is None else check_line_index(index, path)
    table = TableRows(_COLUMNS, data)

    def found() -> Iterator[Row | BadRow]:
        for path in files:
            yield from _rows_of_file(path, path.name if data.is_dir() else "", table, texts, first_frame)
        yield from texts.left(data)

    return CountedRows(found(), about)


def _files(data: Path, split: str | None) -> list[Path]:
    if not data.is_dir():
        if not data.is_file():
            raise OptionError(f"{data}: no such file or folder; check --data")
        return [data]
    every = sorted(path for path in data.glob("*.tsv") if path.is_file())
    of_split = [path for path in every if split in re.split(r"[_.-]", path.stem)]
    found = every if split is None or not of_split else of_split
    if not found:
        raise OptionError(f"{data}: holds no .tsv files; check --data")
    return found


def _rows_of_file(
    path: Path, name: str, table: TableRows, texts: TextsById, first_frame: int
) -> Iterator[Row | BadRow]:
    index = line_index(path)
    offsets = line_offsets(index) if index is not None else iter(())
    listed = next(offsets, (0, -1))[1]
    for line in read_tsv(path):
        place = f"{name} line {line.number}".strip()
        if index is not None and line.offset != listed:
            what = f"begins at byte {line.offset:,}, which {index.name} does not list; make it again, or delete it"
            yield table.bad(place, MALFORMED, what)
            continue
        listed = next(offsets, (0, -1))[1]
        yield _row(line, place, table, texts, first_frame)


def _row(line: TsvLine, place: str, table: TableRows, texts: TextsById, first_frame: int) -> Row | BadRow:
    if isinstance(line.fields, Damaged):
        return table.bad(place, MALFORMED, str(line.fields))
    head = [field.decode("utf-8", "surrogateescape") for field in line.fields[:first_frame]]
    pictures, captions = line.fields[first_frame:], texts.captions(head[0])
    if not pictures:
        what = f"{len(line.fields)} column(s), pictures begin at column {first_frame}; fetch it again: it was cut off"
        return table.bad(place, MALFORMED, what)
    if captions is None:
        return table.bad(place, NO_TEXT, texts.none_for(head[0]))
    decoded = []
    for number, field in enumerate(pictures, first_frame):
        try:
            decoded.append(base64.b64decode(field, validate=True))
        except (binascii.Error, ValueError) as error:
            what = f"id {head[0]!r}: column {number} is no base64 ({error}); fetch the file again"
            if number == first_frame == 1:
                what = f"{what}, or say where pictures begin with --first-frame 2"
            return table.bad(place, BAD_MEDIA, what)
    values: dict[str, Any] = {"id": head[0], "frames": decoded, "caption": captions}
    if head[1:]:
        values["columns"] = head[1:]
    return table.row(place, line.number, values)
