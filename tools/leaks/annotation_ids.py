"""The ids of videos in annotation files of any of the published forms, where only ids are needed.

A file with several splits gives those of one side: training gives `train`, evaluation all others, as LAVENDER's rule
wants it: for a dataset the union of the ids of val and test over all splits and caption files, given one by one.
Files: .json (lists, objects by number or by id, splits, COCO's images and annotations, MSR-VTT's videos, database of
YouCook2 and COIN; what stands beside splits, such as the answers of open questions, holds no ids), .jsonl, .csv, .tsv,
.parquet, pickles of the same (nothing in them is run), and .txt with an id per line.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from tools.annotations import PICKLES, check_file, load_value, table_records, tsv_lines
from tools.json_files.splits import ANSWERS
from tools.record import Record
from tools.rows import AnnotationError

SUFFIXES = (".json", ".jsonl", ".csv", ".tsv", ".txt", ".parquet", *PICKLES)
FIELDS = (
    "video_id",
    "videoid",
    "video",
    "clip_name",
    "gif_name",
    "image_id",
    "video_name",
    "youtube_id",
    "vid",
    "clip",
)
"""Names of the field with the id of a video, the first that a record has."""
_LAST_FIELDS = ("key", "id")
_SPLITS = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "dev": "val",
    "validation": "val",
    "validate": "val",
    "test": "test",
    "testing": "test",
}
_FILM = ("url", "start time", "end time")


class FileId(NamedTuple):
    """The id of a video in a file."""

    text: str
    film: tuple[str, float | None, float | None] = ("", None, None)
    """Address of the film, start and end in seconds, where the file says so."""


def annotation_ids(path: Path, is_training: bool) -> list[FileId]:
    """The ids in a file, each once. Raises AnnotationError, OptionError."""
    check_file(path)
    suffix = path.suffix.lower()
    if suffix in (".json", *PICKLES):
        found = _of_value(load_value(path), is_training)
    elif suffix == ".txt" or (suffix in (".csv", ".tsv") and not _has_header(path)):
        found = (FileId(fields[0].strip()) for _, fields in tsv_lines(path))
    elif suffix == ".tsv":
        found = _of_records(_tsv_records(path), is_training)
    else:
        fields = (*FIELDS, *_LAST_FIELDS)
        records = table_records(path, {"video": fields}, {"split": ("split",)})
        found = _of_records((record.values for record in records if isinstance(record, Record)), is_training)
    ids = list(dict.fromkeys(identifier for identifier in found if identifier.text))
    if not ids:
        side = "training" if is_training else "evaluation"
        raise AnnotationError(f"{path}: no id of a video of the {side} side was found; fields looked for: "
                              f"{', '.join((*FIELDS, *_LAST_FIELDS))}; give a .txt with an id per line")  # fmt: skip
    return ids


def record_id(record: Mapping[str, Any]) -> FileId | None:
    """The id that a record names, None if it names none."""
    for name in (*FIELDS, *_LAST_FIELDS):
        value = record.get(name)
        if isinstance(value, str | int) and not isinstance(value, bool) and str(value).strip():
            url, start, end = (record.get(field) for field in _FILM)
            film = (url if isinstance(url, str) else "", _seconds(start), _seconds(end))
            return FileId(str(value).strip(), film if film[0] else ("", None, None))
    return None


def _has_header(path: Path) -> bool:
    """True if the first line names a known field; LSMDC's tables have none."""
    _, first = next(tsv_lines(path))
    names = {name.strip().strip('"') for name in (first if len(first) > 1 else first[0].split(","))}
    return not names.isdisjoint((*FIELDS, *_LAST_FIELDS))


def _tsv_records(path: Path) -> Iterator[dict[str, str]]:
    lines = tsv_lines(path)
    _, header = next(lines)
    return (dict(zip(header, fields, strict=False)) for _, fields in lines)


def _of_records(records: Iterable[Any], is_training: bool) -> Iterator[FileId]:
    for record in records:
        if isinstance(record, str | int) and not isinstance(record, bool):
            yield FileId(str(record))
        elif isinstance(record, dict) and _is_wanted(record.get("split", record.get("subset")), is_training):
            found = record_id(record)
            if found is not None:
                yield found


def _of_value(value: Any, is_training: bool) -> Iterator[FileId]:
    if isinstance(value, list):
        yield from _of_records(value, is_training)
    if not isinstance(value, dict):
        return
    for name in ("videos", "images", "database"):  # these name every video once
        if isinstance(value.get(name), list | dict):
            yield from _of_value(value[name], is_training)
            return
    if any(_is_split(name, entries) for name, entries in value.items()):
        for name, entries in value.items():
            # what is no split by its name, but a list of records, may be one: test_1k
            is_records = isinstance(entries, list) and bool(entries) and isinstance(entries[0], dict)
            if (_is_split(name, entries) or (is_records and name not in ANSWERS)) and _is_wanted(name, is_training):
                yield from _of_value(entries, is_training)
        return
    if isinstance(value.get("annotations"), list):
        yield from _of_records(value["annotations"], is_training)
        return
    for name, entry in value.items():
        fields = entry if isinstance(entry, dict) else {}
        if _is_wanted(fields.get("split", fields.get("subset")), is_training):
            named = record_id({field: fields[field] for field in FIELDS if field in fields})
            yield named or FileId(str(name))


def _is_split(name: Any, entries: Any) -> bool:
    return isinstance(name, str) and name.lower() in _SPLITS and isinstance(entries, list | dict)


def _is_wanted(split: Any, is_training: bool) -> bool:
    """True if a split is of this side, or is not said."""
    known = _SPLITS.get(split.lower()) if isinstance(split, str) else None
    return known is None or (known == "train") == is_training


def _seconds(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
