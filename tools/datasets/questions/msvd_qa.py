"""MSVD-QA: one YouTube clip with all its questions, in the forms in which it is distributed.

- .json list of {"question", "answer", "id", "video_id": number} (the authors' train_qa.json; fanchenyou/HME-VideoQA).
- .jsonl, .json object, .json with splits and .csv as MSRVTT-QA has them (ALPRO, MCG; boheumd/MA-LMM;
  tsujuifu/pytorch_violet, LAVENDER; doc-doc/HQGA).

The clips are the .avi files of YouTubeClips, named by YouTube's id and seconds (-4wsuPCjDBc_5_15.avi); a file that
numbers its videos needs --id-map youtube_mapping.txt, as published: "-4wsuPCjDBc_5_15 vid1" per line. Without it video
1 is looked up as vid1.EXT and 1.EXT.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tools.annotations import check_file
from tools.arguments import AnnotationsFile, MediaPath, Split
from tools.datasets.questions.msrvtt_qa import REQUIRED, SUFFIXES, read
from tools.lookup import AVI_FIRST, MediaFolder, youtube_mapping
from tools.questions import question_records, question_rows
from tools.rows import CountedRows


def rows(
    annotations: AnnotationsFile,
    media: MediaPath,
    id_map: Annotated[Path | None, typer.Option(help="youtube_mapping.txt, or a JSON as for other sets.")] = None,
    split: Split = None,
) -> CountedRows:
    """MSVD-QA: questions and answers about videos.

    Give the .json, .jsonl or .csv, the folder YouTubeClips and --id-map youtube_mapping.txt. One sample per video.
    """
    check_file(annotations)
    is_mapping = id_map is not None and id_map.suffix.lower() == ".txt"
    folder = MediaFolder(media, AVI_FIRST, youtube_mapping(id_map) if id_map and is_mapping else id_map)
    records = question_records(annotations, REQUIRED, SUFFIXES, split)
    return question_rows(records, annotations, folder, read, _names)


def _names(video: str) -> tuple[str, ...]:
    return (f"vid{video}", video) if video.isdigit() else (video,)
