"""LSMDC: clips of films with a sentence each, for retrieval and captioning; reads the forms in which it is distributed.

- LSMDC16_annos_training.csv, LSMDC16_annos_val.csv, LSMDC16_annos_test.csv, LSMDC16_challenge_1000_publictect.csv: six
  columns by tabs, without a header and without quoting: clip id, start and end as aligned, start and end as extracted,
  sentence (the authors' release, whose README names the columns).
- .json {"train": [{"video", "caption"}], "val": ..., "test": ...} with --split (LAVENDER), and .jsonl of such lines.

A clip id is MOVIE_START-END, "0001_American_Beauty_00.00.51.926-00.00.54.129", with times of the film; the clip is a
file of its own, ID.avi or MOVIE/ID.avi, so a record has no times. Names are SOMEONE, as published. Each file is a
split; papers count 101,079 clips for training, 7,408 of val and the 1,000 of the challenge.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from tools.annotations import check_file, tsv_lines
from tools.arguments import AnnotationsFile, IdMap, MediaPath, Split
from tools.by_video import rows_by_video
from tools.captions import Caption, caption_entries, json_value, read_caption, refuse_split
from tools.lookup import AVI_FIRST, MediaFolder
from tools.record import Record
from tools.rows import MALFORMED, BadRow, CountedRows

VIDEO = ("video", "clip_id", "video_id", "clip_name")
NUM_COLUMNS = 6
_TIMES = re.compile(r"_\d\d\.\d\d\.\d\d\.\d{3}-\d\d\.\d\d\.\d\d\.\d{3}$")


def rows(annotations: AnnotationsFile, media: MediaPath, split: Split = None, id_map: IdMap = None) -> CountedRows:
    """LSMDC: clips of films with a sentence each.

    Give LSMDC16_annos_*.csv (tabs, no header), or a .json or .jsonl of captions. One sample per clip.
    """
    check_file(annotations)
    folder = MediaFolder(media, AVI_FIRST, id_map)
    if annotations.suffix.lower() in (".json", ".jsonl"):
        records = caption_entries(annotations, json_value(annotations), VIDEO, split)
    else:
        refuse_split(annotations, split)
        records = _lines(annotations)
    return rows_by_video(
        records, annotations, folder, _read, "sentence", clip_names, meta=lambda clip: {"movie": _movie(clip)}
    )


def clip_names(clip: str) -> tuple[str, ...]:
    """The paths, without extension, under which a clip may lie."""
    return (clip, f"{_movie(clip)}/{clip}")


def _movie(clip: str) -> str:
    return _TIMES.sub("", clip)


def _lines(path: Path) -> Iterator[Record | BadRow]:
    for number, fields in tsv_lines(path):
        place = f"line {number}"
        if fields == [""]:
            continue
        if len(fields) == NUM_COLUMNS:
            yield Record(place, {"video": fields[0], "sentence": fields[-1]})
        else:
            what = f"expected {NUM_COLUMNS} columns (id, four times, sentence), found {len(fields)}; correct the line"
            yield BadRow.at(place, path, MALFORMED, what)


def _read(record: Record) -> Caption:
    caption = read_caption(record, VIDEO)
    return replace(caption, video=re.sub(r"\.(avi|mp4)$", "", caption.video))
