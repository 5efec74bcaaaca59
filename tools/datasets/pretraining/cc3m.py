"""Conceptual Captions 3M: one picture with one caption; reads the forms in which it is distributed.

- Train_GCC-training.tsv, Validation_GCC-1.1.0-Validation.tsv: caption<TAB>url, no header, no quoting (Google's release;
  a header line "caption<TAB>url", as img2dataset's recipe adds it, is skipped). A picture is looked up under --media
  by: the path, if the second column is one and no URL; the row number as img2dataset names files (000000012.jpg,
  00000/000000012.jpg; the first caption is 0) or in 8 digits (00000012.jpg); the end of the URL's path.
- a .json list of {"image": path, "caption": text or list of texts} (ALPRO's and MCG's cc3m.json; an absolute path that
  is not under --media is tried by its ends). Loaded whole.
- VIOLET's txt_cc3m.json, {"val": {id: [captions]}}, with --media img_cc3m_val.tsv, id<TAB>base64 of the picture
  (tsujuifu/pytorch_violet _data).

Captions are kept verbatim. Keys are row numbers (9 digits) or VIOLET's ids.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from shards.media import IMAGE_EXTENSIONS, foreign_kind, picture_extension
from tools.annotations import PICKLES, about_records, check_file, load_value, tsv_lines
from tools.arguments import AnnotationsFile, Split
from tools.json_files.splits import pick_split
from tools.lookup import MediaFolder, MediaNotFound
from tools.rows import (
    BAD_MEDIA,
    MALFORMED,
    NO_MEDIA,
    NO_TEXT,
    AnnotationError,
    BadRow,
    CountedRows,
    OptionError,
    Row,
    caption_records,
    make_key,
)

COLUMNS = ("caption", "url")
_OTHER = {COLUMNS: "cc12m", COLUMNS[::-1]: "cc3m"}
IMAGES_PER_FOLDER = 10_000
"""img2dataset's number_sample_per_shard."""


def rows(
    annotations: AnnotationsFile,
    media: Annotated[Path, typer.Option(help="Folder under which the pictures lie; of VIOLET's json the images .tsv.")],
    split: Split = None,
) -> CountedRows:
    """CC3M and sets of its form: pictures with captions.

    Give Google's .tsv (caption, tab, url) or a .json list of {"image", "caption"} with the folder of the pictures; or
    VIOLET's .json with its images .tsv.
    """
    return picture_rows(annotations, media, split, COLUMNS)


def picture_rows(annotations: Path, media: Path, split: str | None, columns: tuple[str, str]) -> CountedRows:
    """Rows of Conceptual Captions. columns: "caption" and "url" in the order of the .tsv."""
    check_file(annotations)
    suffix = annotations.suffix.lower()
    if suffix not in (".tsv", ".json", *PICKLES):
        raise AnnotationError(
            f"{annotations}: cannot tell the form from {suffix or 'a name without suffix'}; give Google's .tsv "
            f"({columns[0]}, tab, {columns[1]}) or a .json"
        )
    texts = None if suffix == ".tsv" else load_value(annotations)
    if isinstance(texts, dict):
        check_file(media)
        if media.is_dir() or media.suffix.lower() != ".tsv":
            raise OptionError(f"{media}: VIOLET's json goes with its images: --media IMAGES.tsv (id, tab, base64)")
        captions = pick_split(annotations, texts, split)
        return CountedRows(_violet_rows(annotations, media, captions), len(captions))
    if split is not None:
        raise OptionError(f"{annotations}: --split is for VIOLET's json; this file is one split by itself")
    folder = MediaFolder(media, IMAGE_EXTENSIONS)
    if texts is None:
        return CountedRows(_tsv_rows(annotations, folder, columns), about_records(annotations))
    if not isinstance(texts, list):
        raise AnnotationError(f'{annotations}: expected a list of {{"image": path, "caption": text}}, or an object')
    return CountedRows(_json_rows(annotations, texts, folder), len(texts))


def _tsv_rows(annotations: Path, folder: MediaFolder, columns: tuple[str, str]) -> Iterator[Row | BadRow]:
    first = 1
    for number, fields in tsv_lines(annotations):
        place = f"line {number}"
        if number == 1 and [name.strip().lower() for name in fields] == list(columns):
            first = 2
            continue
        named = dict(zip(columns, fields, strict=False))
        url = named.get("url", "").strip()
        if len(fields) != 2 or not url:
            found = f"found {len(fields)} field(s): {_short(fields)}"
            what = f"expected {columns[0]}, tab, {columns[1]}; {found}; correct the line"
            yield BadRow.at(place, annotations, MALFORMED, what)
            continue
        if _is_url(named["caption"]) and not _is_url(url):
            what = f"the URL stands where the caption should, as in {_OTHER[columns]}; build it as that"
            yield BadRow.at(place, annotations, MALFORMED, what)
            continue
        index = number - first
        stems = []
        if "://" in url:
            stems = [f"{index:09d}", f"{index // IMAGES_PER_FOLDER:05d}/{index:09d}", f"{index:08d}"]
        yield _row(annotations, place, index, named["caption"], url, folder, stems)


def _is_url(text: str) -> bool:
    return text.strip().lower().startswith(("http://", "https://"))


def _json_rows(annotations: Path, entries: list[Any], folder: MediaFolder) -> Iterator[Row | BadRow]:
    for index, entry in enumerate(entries):
        place = f"entry {index + 1}"
        if not isinstance(entry, dict) or not isinstance(entry.get("image"), str) or "caption" not in entry:
            what = f'expected {{"image": path, "caption": text or list}}, found {_short(entry)}; correct it'
            yield BadRow.at(place, annotations, MALFORMED, what)
            continue
        yield _row(annotations, place, index, entry["caption"], entry["image"], folder, [])


def _row(
    annotations: Path, place: str, index: int, captions: Any, address: str, folder: MediaFolder, stems: list[str]
) -> Row | BadRow:
    records, dropped = caption_records(captions)
    if not records:
        what = f"no usable caption for {address!r} ({'; '.join(dropped) or 'empty list'}); write one or accept the loss"
        return BadRow.at(place, annotations, NO_TEXT, what)
    try:
        path = folder.find((), stems, address)
    except MediaNotFound as error:
        return BadRow.at(place, annotations, NO_MEDIA, str(error))
    left_out = tuple(f"{place}: {why}" for why in dropped)
    return Row(place, f"{index:09d}", records, {"id": address}, path, dropped=left_out)


def _violet_rows(annotations: Path, images: Path, captions: dict[str, Any]) -> Iterator[Row | BadRow]:
    seen: set[str] = set()
    for number, fields in tsv_lines(images):
        place = f"line {number}"
        if len(fields) != 2:
            what = f"expected id, tab, base64; found {len(fields)} field(s); fetch the file again"
            yield BadRow.at(place, images, MALFORMED, what)
            continue
        identifier, encoded = fields
        if identifier not in captions:
            what = f"id {identifier!r} has no caption in {annotations.name}; check --split or accept the loss"
            yield BadRow.at(place, images, NO_TEXT, what)
            continue
        seen.add(identifier)
        records, dropped = caption_records(captions[identifier])
        if not records:
            why = "; ".join(dropped) or "empty list"
            what = f"no usable caption for id {identifier!r} in {annotations.name} ({why}); write one"
            yield BadRow.at(place, images, NO_TEXT, what)
            continue
        try:
            image = base64.b64decode(encoded, validate=True)
        except (binascii.Error, ValueError) as error:
            what = f"id {identifier!r}: not base64 ({error}); fetch the file again"
            yield BadRow.at(place, images, BAD_MEDIA, what)
            continue
        ext = picture_extension(image)
        if not ext:
            kind = foreign_kind(image)
            found = f"{kind.name}; {kind.remedy}" if kind else f"starts with {image[:4].hex()}; fetch it again"
            what = f"id {identifier!r}: no picture that is read here ({found})"
            yield BadRow.at(place, images, BAD_MEDIA, what)
            continue
        left_out = tuple(f"{place}: {why}" for why in dropped)
        yield Row(place, make_key(identifier), records, {"id": identifier}, media=image, ext=ext, dropped=left_out)
    for identifier in captions:
        if identifier not in seen:
            what = f"no picture with this id in {images}; give the images of this split"
            yield BadRow.at(f"id {identifier!r}", annotations, NO_MEDIA, what)


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 100 else text[:97] + "..."
