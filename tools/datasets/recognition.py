"""Tell by its first lines that an annotation file is that of another dataset.

A form is told by fields that only some datasets have; where several sets share a form, none of them is refused for it.
Gives up: a form that is not listed, and parquet files and pickles, whose columns the dataset itself checks.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tools.rows import AnnotationError
from tools.text_files import open_text

HEAD_CHARS = 20_000


@dataclass(frozen=True, slots=True)
class _Form:
    readers: tuple[str, ...]
    """The datasets that read it."""
    fields: frozenset[str]
    """Columns or keys that all its files have at the beginning."""
    without: frozenset[str] = frozenset()
    pattern: str = ""
    """What the beginning matches besides."""


def _form(readers: str, fields: str, without: str = "", pattern: str = "") -> _Form:
    return _Form(tuple(readers.split()), frozenset(fields.split()), frozenset(without.split()), pattern)


_TABLES = (
    _form("tgif_qa", "gif_name question"),
    _form("nextqa", "video question answer qid type a0 a4"),
    _form("nextqa", "video_id question answer qid type a0 a4"),
    _form("nextqa_oe", "video frame_count width height question answer qid type", "a0"),
    _form("msvd_qa tgif_qa", "video width height question answer qid", "frame_count"),
    _form("msrvtt_qa msvd_qa", "video question answer qid type", "width a0"),
    _form("msrvtt_mc", "vid_key a1 a5 answer"),
    _form("msrvtt", "key vid_key video_id sentence"),
    _form("webvid", "videoid contentUrl name"),
    _form("youcook2", "video_id start end text task"),
    _form("howto100m", "video_id category_1 category_2 task_id"),
)
_LINES = (
    _form("crosstask", "", pattern=r"\d+,[\w-]{11},https?://www\.youtube\.com/"),
    _form("lsmdc", "", pattern=r"[^\t\n]+(?:\t[\d.]*){4}\t[^\t\n]+\r?(?:\n|$)"),
    _form("lsmdc_fib", "", pattern=r"[^\t\n]+(?:\t[\d.]*){4}(?:\t[^\t\n]+){3}\r?(?:\n|$)"),
    _form("lsmdc_mc", "", pattern=r"[^\t\n]+(?:\t[\d.]*){4}(?:\t[^\t\n]+){5,6}\r?(?:\n|$)"),
)
_OBJECTS = (
    _form("activitynet_captions", "duration timestamps sentences"),
    _form("activitynet_qa", "video_name question question_id"),
    _form("didemo", "video description times annotation_id"),
    _form("youcook2", "subset recipe_type annotations segment sentence"),
    _form("coin", "subset recipe_type annotation segment label"),
    _form("howto100m", "start end text", "video caption", r'\s*\{\s*"[\w-]+"\s*:\s*\{'),
    _form("msrvtt_qa msvd_qa", "question answer video_id", "options video_name qid clip_name"),
    _form("nextqa", "question options qid type video_id"),
    _form("tgif_qa msrvtt_mc lsmdc_mc lavender_tsv", "video option_0 option_4 answer"),
    _form("cc3m cc12m", "image caption", "video"),
    _form("msrvtt", "videos video_id split category"),
    _form("msrvtt", "image_id video caption frame_length", pattern=r'(?s).*"video\d+\.mp4"'),
    _form("msvd", "image_id video caption frame_length", pattern=r'(?s).*"[\w-]{11}_\d+_\d+\.avi"'),
)


def check_dataset(dataset: str, annotations: Path) -> None:
    """Raise AnnotationError if the file is told to be that of other datasets; a file that cannot be read is not."""
    found = _recognised(annotations)
    if found is None or dataset in found[0]:
        return
    names, fields = found
    told = f" (it has {', '.join(fields)})" if fields else ""
    raise AnnotationError(
        f"{annotations}: looks like an annotation file of {' or '.join(names)}{told}, not of {dataset}; give the one "
        f"of {dataset}, or run: python -m tools build {names[0]}"
    )


def _recognised(path: Path) -> tuple[tuple[str, ...], list[str]] | None:
    """(datasets that read the file, the fields that tell), or None."""
    suffix = path.suffix.lower()
    if suffix not in (".csv", ".tsv", ".json", ".jsonl", ".txt"):
        return None
    try:
        with open_text(path) as file:
            head = file.read(HEAD_CHARS)
    except (OSError, ValueError):
        return None  # its own parser says what is wrong
    if suffix in (".json", ".jsonl"):
        return _first(_OBJECTS, set(re.findall(r'"([^"\\]{1,40})"\s*:', head)), head)
    line = head.partition("\n")[0].rstrip("\r")
    names = {name.strip().strip('"') for name in line.split("\t" if "\t" in line else ",")}
    return _first(_TABLES, names, head) or _first(_LINES, names, head)


def _first(forms: tuple[_Form, ...], fields: set[str], head: str) -> Any:
    for form in forms:
        if form.fields <= fields and not form.without & fields and re.match(form.pattern, head):
            return form.readers, sorted(form.fields)
    return None
