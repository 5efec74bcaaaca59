"""Captions of videos: what one is, the forms of files that several caption sets share, segments and paragraphs.

A record of a sample is {"caption"}, with "id" where the file numbers its captions. A caption of a part of a video has
"start" and "end" beside it, in seconds of the video. A loader shows the whole video all the same: no clip plan begins
or ends at a time, so these fields are for tasks that read them. A paragraph is one record: the captions of a video in
their order, joined by spaces, and the captions themselves as "segments". Texts are kept verbatim.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Any

from tools.annotations import PICKLES, TABLES, Columns, json_records, load_value, table_records, tsv_lines
from tools.by_video import Whole
from tools.json_files.splits import refuse_split, split_name, splits_of
from tools.record import BadLine, Record
from tools.rows import MALFORMED, BadRow, OptionError, text_flaw

TEXT = ("caption", "sentence", "description", "text", "label")
ID = ("sen_id", "id", "key", "annotation_id")


@dataclass(frozen=True, slots=True)
class Caption:
    """A caption as one record has it; the text may be None or empty."""

    video: str
    text: Any
    more: dict[str, Any] = field(default_factory=dict)
    """What its record holds besides: "id", "start", "end"."""

    def flaw(self) -> str:
        """The reason why the caption cannot be used, or "" if it can."""
        flaw = text_flaw(self.text)
        return f"caption {flaw}" if flaw else ""

    def record(self) -> dict[str, Any]:
        """The text record of a sample."""
        return {"caption": self.text, **self.more}


def read_caption(record: Record, video: tuple[str, ...]) -> Caption:
    """A caption of the usual fields; `video`: names of the field with the id of the video. Raises BadLine."""
    if not any(name in record.values for name in TEXT):
        raise BadLine(f"no {TEXT[0]}; it has {', '.join(record.values) or 'no fields'}")
    identifier = record.value(ID)
    return Caption(record.id(video), record.value(TEXT), {} if identifier is None else {"id": str(identifier)})


def whole_value(path: Path) -> Any:
    """The value of a .json or a pickle, None for a file of another suffix."""
    return load_value(path) if path.suffix.lower() in (".json", *PICKLES) else None


def caption_entries(path: Path, value: Any, video: tuple[str, ...], split: str | None) -> Iterator[Record | BadRow]:
    """Records with one caption each; where an entry has a list of captions it gives one record for each.

    value: that of a .json or a pickle: a list of entries, an object {number: entry}, an object of splits with lists, or
    {video: [captions]}, a caption as a text or as a list of words, or COCO's {"annotations": [{"image_id",
    "caption"}]}. None: the file is a .csv, .jsonl, .parquet, or a .tsv of names with a JSON list of captions each.
    """
    if isinstance(value, dict) and isinstance(value.get("annotations"), list):
        refuse_split(path, split)
        return json_records(path, value["annotations"], "caption", "annotations ")
    splits = splits_of(value)
    if not splits and isinstance(value, dict) and any(map(_is_captions, value.values())):
        refuse_split(path, split)
        return _by_video(path, value, video[0])
    if splits:
        name = split_name(path, list(splits), split)
        return _one_by_one(json_records(path, splits[name], "caption", f"{name} "))
    refuse_split(path, split)
    if path.suffix.lower() == ".tsv":
        return _one_by_one(_named_lists(path, video[0]))
    if value is None:
        columns: Columns = {"video": video, "caption": TEXT}
        return _one_by_one(table_records(path, columns, {"id": ID}, (*TABLES, ".json")))
    return _one_by_one(json_records(path, value, "caption"))


def _is_captions(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and isinstance(value[0], str | list)


def _by_video(path: Path, captions_of: dict[Any, Any], video: str) -> Iterator[Record | BadRow]:
    for name, captions in captions_of.items():
        if not isinstance(captions, list):
            what = f"expected a list of captions, found {type(captions).__name__}; correct it"
            yield BadRow.at(f"entry {name!r}", path, MALFORMED, what)
            continue
        for number, caption in enumerate(captions, 1):
            is_words = isinstance(caption, list) and all(isinstance(word, str) for word in caption)
            text = " ".join(caption) if is_words else caption
            yield Record(f"entry {name!r} caption {number}", {video: name, "caption": text})


def _named_lists(path: Path, video: str) -> Iterator[Record | BadRow]:
    """Records of a .tsv whose lines are the name or path of a video and a JSON list of captions or {"caption"}."""
    for number, fields in tsv_lines(path):
        place = f"line {number}"
        try:
            name, listed = fields
            captions = [part["caption"] if isinstance(part, dict) else part for part in json.loads(listed)]
        except (ValueError, TypeError, KeyError, RecursionError):
            what = (
                f'expected a name, a tab and a JSON list of {{"caption"}}, found {"".join(fields)[:60]!r}; correct it'
            )
            yield BadRow.at(place, path, MALFORMED, what)
            continue
        yield Record(place, {video: PurePosixPath(name).name, "caption": captions})


def _one_by_one(records: Iterator[Record | BadRow]) -> Iterator[Record | BadRow]:
    for record in records:
        captions = None if isinstance(record, BadRow) else record.value(TEXT)
        if isinstance(record, BadRow) or not isinstance(captions, list):
            yield record
            continue
        rest = {name: value for name, value in record.values.items() if name not in TEXT}
        for number, caption in enumerate(captions, 1):
            yield Record(f"{record.place} caption {number}", {**rest, "caption": caption})
        if not captions:
            yield Record(record.place, {**rest, "caption": None})


def read_segment(record: Record, video: tuple[str, ...]) -> Caption:
    """A caption with the fields "start" and "end". Raises BadLine."""
    caption = read_caption(record, video)
    return replace(caption, more=caption.more | _segment(record.values.get("start"), record.values.get("end")))


def _segment(start: Any, end: Any) -> dict[str, float]:
    """{"start", "end"} in seconds, from numbers or texts of numbers. Raises BadLine."""
    try:
        times = {"start": float(start), "end": float(end)}
    except (TypeError, ValueError):
        times = {"start": math.nan, "end": math.nan}
    if isinstance(start, bool) or isinstance(end, bool) or not 0 <= times["start"] <= times["end"] < math.inf:
        raise BadLine(
            f"expected start and end in seconds, 0 <= start <= end, found {start!r} and {end!r}; correct them"
        )
    return times


def _paragraph(records: Sequence[dict[str, Any]]) -> Sequence[dict[str, Any]]:
    return ({"caption": " ".join(record["caption"].strip() for record in records), "segments": list(records)},)


_WHOLE: dict[str, Whole] = {"paragraph": _paragraph, "segments": tuple}


def whole_text(text: str) -> Whole:
    """What --text makes of the captions of a video. Raises OptionError."""
    if text not in _WHOLE:
        raise OptionError(f"--text {text!r} is unknown; choose one of {', '.join(_WHOLE)}")
    return _WHOLE[text]
