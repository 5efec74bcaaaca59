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
from dataclasses import replace

from tools.annotations import PICKLES, check_file
from tools.arguments import AnnotationsFile, IdMap, MediaPath, Split
from tools.by_video import rows_by_video
from tools.captions import Caption, caption_entries, read_caption, whole_value
from tools.datasets.questions.lsmdc_fib import VIDEO, clip_id, clip_names, clip_records
from tools.json_files.splits import refuse_split
from tools.lookup import AVI_FIRST, MediaFolder
from tools.record import Record
from tools.rows import CountedRows

_TIMES = re.compile(r"_\d\d\.\d\d\.\d\d\.\d{3}-\d\d\.\d\d\.\d\d\.\d{3}$")


def rows(annotations: AnnotationsFile, media: MediaPath, split: Split = None, id_map: IdMap = None) -> CountedRows:
    """LSMDC: clips of films with a sentence each.

    Give LSMDC16_annos_*.csv (tabs, no header), or a .json or .jsonl of captions. One sample per clip.
    """
    check_file(annotations)
    folder = MediaFolder(media, AVI_FIRST, id_map)
    if annotations.suffix.lower() in (".json", ".jsonl", *PICKLES):
        records = caption_entries(annotations, whole_value(annotations), VIDEO, split)
    else:
        refuse_split(annotations, split)
        records = clip_records(annotations, ("sentence",))
    return rows_by_video(
        records, annotations, folder, _read, "sentence", clip_names, meta=lambda clip: {"movie": _movie(clip)}
    )


def _movie(clip: str) -> str:
    return _TIMES.sub("", clip)


def _read(record: Record) -> Caption:
    return replace(read_caption(record, VIDEO), video=clip_id(record))
