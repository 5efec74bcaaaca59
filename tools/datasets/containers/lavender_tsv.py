"""LAVENDER's and VIOLET's TSVs: the frames of a video, or a picture, as base64 JPEGs in a line.

- img_webvid2.5m_train_0.tsv ...: id<TAB>base64<TAB>base64 ... One picture is a still; several are a frame sample, whose
  times are not known. LAVENDER's own tool and its pre-training begin with the frames at column 1, its downstream files
  and webvid10m's training files at column 2, after one of their own: where is found in the file, unless --first-frame
  says so. Lines with another number of pictures than most are quarantined.
- img_....lineidx beside it: the byte at which each line begins; img_....id2lineidx.pkl: the same by id, read without
  running anything. Both are compared with the file, and neither is needed.
- texts: txt_webvid2.5m.json, {"train": {id: [captions]}, "val": ...}; downstream lists, {"train": [{"video",
  "caption"}]}; other forms of tools/containers/texts_by_id.py. Or questions, txt_msvd-qa.json, with --split
  (tools/containers/questions_by_id.py).
- SwinBERT's caption YAML, which names the .tsv and its captions (tools/containers/caption_yaml.py).

A line without text and a text without line are quarantined; a line that another split of the texts has is passed over.
Keys are ids.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from tools.annotations import PICKLES, about_records, check_file
from tools.containers.caption_yaml import SUFFIXES, read_caption_yaml
from tools.containers.columns import Columns, SplitName
from tools.containers.files import Damaged
from tools.containers.frame_tsv import (
    Form,
    check_id_index,
    check_line_index,
    form_of,
    id_index,
    line_index,
    line_offsets,
    read_tsv,
)
from tools.containers.questions_by_id import QuestionsById, holds_questions
from tools.containers.table_rows import TableRows
from tools.containers.texts_by_id import TextsById
from tools.rows import BAD_MEDIA, MALFORMED, NO_TEXT, BadRow, CountedRows, OptionError, Row

_BESIDE = re.compile(r"(\b|_)(caption|label|linelist)\.tsv$", re.IGNORECASE)
"""What SwinBERT keeps beside the pictures."""
_COLUMNS = Columns("frames", "caption", "id")


def rows(
    data: Annotated[Path, typer.Option(help="An images .tsv, the folder of its parts, or a caption YAML.")],
    annotations: Annotated[Path | None, typer.Option(help="The texts, txt_DATASET.json; a YAML names them.")] = None,
    split: SplitName = None,
    first_frame: Annotated[
        int | None,
        typer.Option(min=1, max=16, help="The column of the first picture; ids are in 0.  [default: found]"),
    ] = None,
    pictures_per_line: Annotated[
        int | None,
        typer.Option(min=0, help="Pictures of a line; 0: any number.  [default: that of most lines]"),
    ] = None,
) -> CountedRows:
    """LAVENDER's and VIOLET's TSVs of base64 pictures.

    Give an images .tsv, or the folder of its parts, and the texts as --annotations txt_DATASET.json with --split; of a
    folder with the parts of several splits, those with the split in their names are taken. Or give SwinBERT's caption
    YAML alone.
    """
    if data.suffix.lower() in SUFFIXES:
        if annotations is not None or split is not None:
            raise OptionError(f"{data}: names its captions itself; leave out --annotations and --split")
        files, captions, pairs = read_caption_yaml(data)
        texts: TextsById | QuestionsById = TextsById(captions, None, pairs=pairs)
    elif annotations is None:
        raise OptionError(f"{data}: give its texts with --annotations (only a caption YAML names them itself)")
    else:
        files = _files(data, split)
        if holds_questions(annotations):
            texts = QuestionsById(annotations, split)
        else:
            texts = TextsById(annotations, split, is_split_known=data.is_dir())
    about = 0
    for path in files:
        check_file(path)
        index, by_id = line_index(path), id_index(path)
        about += about_records(path) if index is None else check_line_index(index, path)
        if by_id is not None:
            check_id_index(by_id, path)
    table = TableRows(_COLUMNS, data)

    def found() -> Iterator[Row | BadRow]:
        for path in files:
            form = form_of(path) or Form(1, None)
            if first_frame not in (None, form.first):
                form = Form(first_frame, None)
            if pictures_per_line is not None:
                form = Form(form.first, pictures_per_line or None)
            yield from _rows_of_file(path, "" if path == data else path.name, table, texts, form)
        yield from texts.left(data)

    return CountedRows(found(), about)


def _files(data: Path, split: str | None) -> list[Path]:
    if not data.is_dir():
        if not data.is_file():
            raise OptionError(f"{data}: no such file or folder; check --data")
        if data.suffix.lower() in (".lineidx", ".json", *PICKLES):
            raise OptionError(f"{data}: holds no pictures; give the .tsv that does, img_DATASET....tsv")
        return [data]
    every = sorted(path for path in data.glob("*.tsv") if path.is_file() and not _BESIDE.search(path.name))
    of_split = [path for path in every if split in re.split(r"[_.-]", path.stem)]
    found = every if split is None or not of_split else of_split
    if not found:
        raise OptionError(f"{data}: holds no .tsv files; check --data")
    return found


def _rows_of_file(
    path: Path, name: str, table: TableRows, texts: TextsById | QuestionsById, form: Form
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
        if isinstance(line.fields, Damaged):
            yield table.bad(place, MALFORMED, str(line.fields))
        elif not texts.is_elsewhere(_text(line.fields[0])):
            yield _row(line.fields, place, line.number, table, texts, form.first, form.pictures)


def _row(
    fields: Sequence[bytes],
    place: str,
    number: int,
    table: TableRows,
    texts: TextsById | QuestionsById,
    first_frame: int,
    num_pictures: int | None,
) -> Row | BadRow:
    head, pictures = [_text(field) for field in fields[:first_frame]], fields[first_frame:]
    captions = texts.captions(head[0]) if isinstance(texts, TextsById) else None
    asked = texts.records(head[0]) if isinstance(texts, QuestionsById) else None
    if not pictures:
        what = f"{len(fields)} column(s), pictures begin at column {first_frame}; fetch it again: it was cut off"
        return table.bad(place, MALFORMED, what)
    if captions is None and asked is None:
        return table.bad(place, NO_TEXT, texts.none_for(head[0]))
    decoded = []
    for column, field in enumerate(pictures, first_frame):
        try:
            decoded.append(base64.b64decode(field, validate=True))
        except (binascii.Error, ValueError) as error:
            what = f"id {head[0]!r}: column {column} is no base64 ({error}); fetch the file again"
            if column == first_frame == 1:
                what = f"{what}, give the .tsv of pictures, or say where pictures begin with --first-frame 2"
            return table.bad(place, BAD_MEDIA, what)
    values: dict[str, Any] = {"id": head[0], "frames": decoded, "caption": captions}
    if head[1:]:
        values["columns"] = head[1:]
    row = table.row(place, number, values, asked)
    if isinstance(row, Row) and num_pictures is not None and len(pictures) != num_pictures:
        what = f"id {head[0]!r}: {len(pictures)} picture(s) from column {first_frame} on, expected {num_pictures}"
        return table.bad(place, BAD_MEDIA, f"{what}; fetch it again, or take any number with --pictures-per-line 0")
    return row


def _text(field: bytes) -> str:
    return field.decode("utf-8", "surrogateescape")
