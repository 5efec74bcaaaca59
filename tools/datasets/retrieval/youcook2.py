"""YouCook2: one cooking video with the sentences of its steps, for the retrieval of clips and of whole videos.

- youcookii_annotations_trainval.json, {"database": {video: {"subset": "training" or "validation", "duration",
  "recipe_type", "video_url", "annotations": [{"segment": [start, end], "id", "sentence"}]}}} (the authors' release,
  gingsi/coot-videotext), with --split train or val: 1,333 videos with 10,337 steps, 457 with 3,492.
- validation_youcook.csv with end,start,task,text,video_id, a row per step: 3,350 steps of 436 videos
  (antoine77340/MIL-NCE_HowTo100M). `task` is the recipe_type.

--text segments (the default) is a record for each step, a clip of retrieval, with "start" and "end" in seconds; --text
paragraph is one record per video, its sentences joined by spaces. Either way a sample is a whole video and a loader
shows all of it (tools/captions.py): clips cannot be cut here, so train on media that were cut before to retrieve clips.

A video is looked up as ID.EXT, SUBSET/RECIPE_TYPE/ID.EXT and RECIPE_TYPE/ID.EXT.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from pathlib import Path
from typing import Any

from shards.media import VIDEO_EXTENSIONS
from tools.annotations import Columns, check_file, json_records, load_value, table_records
from tools.arguments import AnnotationsFile, CaptionText, IdMap, MediaPath, Split
from tools.by_video import VideoList, Whole, rows_by_video
from tools.captions import TEXT, read_segment, whole_text
from tools.json_files.splits import refuse_split, split_name
from tools.lookup import MediaFolder
from tools.record import Record
from tools.rows import MALFORMED, AnnotationError, BadRow, CountedRows

VIDEO = ("video_id",)
REQUIRED: Columns = {"video": VIDEO, "text": TEXT, "start": ("start",), "end": ("end",)}
FACTS = ("subset", "duration", "recipe_type", "class", "video_url")


def rows(
    annotations: AnnotationsFile,
    media: MediaPath,
    split: Split = None,
    text: CaptionText = "segments",
    id_map: IdMap = None,
) -> CountedRows:
    """YouCook2: cooking videos with a sentence per step.

    Give youcookii_annotations_trainval.json with --split, or MIL-NCE's validation_youcook.csv. One sample per video.
    """
    check_file(annotations)
    whole = whole_text(text)
    folder = MediaFolder(media, VIDEO_EXTENSIONS, id_map)
    if annotations.suffix.lower() == ".json":
        return database_rows(annotations, folder, split, "annotations", whole)
    refuse_split(annotations, split)
    records = list(table_records(annotations, REQUIRED, {"task": ("task",)}))
    tasks = {str(r.value(VIDEO)).strip(): r.values.get("task") for r in records if isinstance(r, Record)}
    facts = {video: {"recipe_type": task, "subset": "validation"} for video, task in tasks.items()}
    return _rows(records, annotations, folder, facts, None, whole)


def database_rows(path: Path, folder: MediaFolder, split: str | None, steps: str, whole: Whole) -> CountedRows:
    """Rows of one subset of a json of videos, as YouCook2 and COIN have them.

    The json is an object of videos by id, perhaps within "database", or a list of such objects. steps: name of the
    field with [{"segment": [start, end], "id", "sentence" or "label"}].
    """
    videos: dict[str, Record] = {}
    bad: list[BadRow] = []
    for place, video, entry in _entries(path):
        has_steps = isinstance(entry, dict) and isinstance(entry.get(steps), list)
        if not has_steps or not isinstance(entry.get("subset"), str):
            found = ", ".join(entry) if isinstance(entry, dict) else type(entry).__name__
            what = f"expected a video with a subset and a list of {steps}, found {found or 'nothing'}; correct it"
            bad.append(BadRow.at(place, path, MALFORMED, what))
        elif video in videos:
            what = f"the video {video!r} stands at {videos[video].place} already; remove one of them"
            bad.append(BadRow.at(place, path, MALFORMED, what))
        else:
            videos[video] = Record(place, entry)
    if not videos:
        return CountedRows(iter(bad), len(bad))
    name = split_name(path, list(dict.fromkeys(entry.values["subset"] for entry in videos.values())), split)
    chosen = {video: entry.values for video, entry in videos.items() if entry.values["subset"] == name}
    only = VideoList(path, {video: videos[video].place for video in chosen})
    return _rows(chain(bad, _steps(path, chosen, steps)), path, folder, chosen, only, whole)


def _entries(path: Path) -> Iterator[tuple[str, str, Any]]:
    """(place, id, entry) of each video."""
    value = load_value(path)
    if isinstance(value, dict):
        entries = value.get("database", value)
        if isinstance(entries, dict):
            yield from ((f"entry {video!r}", video, entry) for video, entry in entries.items())
            return
    elif isinstance(value, list):
        for number, entry in enumerate(value, 1):
            one = next(iter(entry.items())) if isinstance(entry, dict) and len(entry) == 1 else ("", entry)
            yield f"entry {number}", *one
        return
    raise AnnotationError(f"{path}: expected an object of videos by id, or a list of them; give the published file")


def _steps(path: Path, videos: Mapping[str, Mapping[str, Any]], steps: str) -> Iterator[Record | BadRow]:
    for video, entry in videos.items():
        for step in json_records(path, entry[steps], "step", f"video {video!r} "):
            if isinstance(step, BadRow):
                yield step
                continue
            pair = step.values.get("segment")
            start, end = pair if isinstance(pair, list) and len(pair) == 2 else (pair, None)
            caption: dict[str, Any] = {
                name: step.values[name] for name in ("sentence", "label", "id") if name in step.values
            }
            yield Record(step.place, {"video_id": video, **caption, "start": start, "end": end})


def _rows(
    records: Iterable[Record | BadRow],
    path: Path,
    folder: MediaFolder,
    facts: Mapping[str, Mapping[str, Any]],
    only: VideoList | None,
    whole: Whole,
) -> CountedRows:
    def names(video: str) -> tuple[str, ...]:
        recipe = f"{facts[video].get('recipe_type')}/{video}"
        return (video, f"{facts[video].get('subset')}/{recipe}", recipe)

    def meta(video: str) -> dict[str, Any]:
        return {name: facts[video][name] for name in FACTS if facts[video].get(name) is not None}

    return rows_by_video(
        records, path, folder, lambda r: read_segment(r, VIDEO), "step", names, only=only, whole=whole, meta=meta
    )
