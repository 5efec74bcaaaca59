"""MSVD-QA: one YouTube clip with all its questions, in the forms in which it is distributed.

- .json list of {"question", "answer", "id", "video_id": number} (the authors' train_qa.json; fanchenyou/HME-VideoQA).
- .jsonl, .json object, .json with splits and .csv as MSRVTT-QA has them (ALPRO, MCG; boheumd/MA-LMM;
  tsujuifu/pytorch_violet, LAVENDER; doc-doc/HQGA).

The clips are the .avi files of YouTubeClips, named by YouTube's id and seconds (-4wsuPCjDBc_5_15.avi); a file that
numbers its videos needs --id-map youtube_mapping.txt, as published: "-4wsuPCjDBc_5_15 vid1" per line. With it a video
has its name of YouTube as key in every form, as in MSVD's captions (tools/datasets/retrieval/msvd.py); without it video
1 is "1", looked up as vid1.EXT and 1.EXT.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from tools.annotations import check_file
from tools.arguments import AnnotationsFile, MediaPath, Split
from tools.datasets.questions.msrvtt_qa import REQUIRED, SUFFIXES, read
from tools.lookup import AVI_FIRST, MediaFolder, youtube_mapping
from tools.questions import Question, question_records, question_rows
from tools.record import Record
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
    folder = MediaFolder(media, AVI_FIRST, None if is_mapping else id_map)
    names = youtube_mapping(id_map) if id_map is not None and is_mapping else {}
    numbers = {name: number.removeprefix("vid") for number, name in names.items()}
    records = question_records(annotations, REQUIRED, SUFFIXES, split)
    return question_rows(
        records,
        annotations,
        folder,
        lambda record: _read(record, names),
        lambda video: (video, *_numbered(numbers[video])) if video in numbers else _numbered(video),
    )


def _read(record: Record, names: Mapping[str, str]) -> Question:
    """A question whose video has its name of YouTube, or its number where no mapping tells the name."""
    question = read(record)
    stem, _, extension = question.video.rpartition(".")
    video = stem if stem and extension.lower() in AVI_FIRST else question.video
    number = video.removeprefix("vid") if video.removeprefix("vid").isdecimal() else ""
    return replace(question, video=names.get(f"vid{number}", number) if number else video)


def _numbered(video: str) -> tuple[str, ...]:
    return (f"vid{video}", video) if video.isdigit() else (video,)
