"""MSRVTT-QA: one video with all its questions; reads the forms in which it is distributed.

- .jsonl with {"question", "answer", "video_id", "answer_type"} per line (ALPRO, MCG, jpthu17/EMCL).
- .json list of {"question", "answer", "id", "video_id": number} (video 7010 is "video7010").
- .json object {question id: {"question", "answer", "answer_type", "question_id", "video"}} (boheumd/MA-LMM).
- .json {"train": [{"video", "question", "answer": number}], "val": ..., "test": ...} with the answers by number as
  "vocab" (tsujuifu/pytorch_violet) or "ans2label" (microsoft/LAVENDER), with --split.
- .csv with video,question,answer,qid,type (doc-doc/HQGA), whose `type` is the category of the video, not of a question.

A video has the id "video7010" in every form, so the same key; it is looked up as video7010.EXT (mp4) or 7010.EXT, or
under one of these names in --id-map. Answers stay texts; ans2label files belong to training. A question without a type
gets its first word as type, as the published types are made.

--leave-out t2vlp leaves out the ten videos that T2VLP does not use, nine of train and video8528 of test (30 of the
72,821 questions).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Annotated

import typer

from shards.media import VIDEO_EXTENSIONS
from tools.annotations import Columns, check_file
from tools.arguments import AnnotationsFile, IdMap, MediaPath, Split
from tools.lookup import MediaFolder
from tools.questions import Question, question_records, question_rows
from tools.record import Record
from tools.rows import BadRow, CountedRows, OptionError

VIDEO = ("video_id", "video")
TYPE = ("answer_type", "type")
QUESTION_ID = ("question_id", "qid", "id")
REQUIRED: Columns = {"video": VIDEO, "question": ("question",), "answer": ("answer",)}
TYPES = ("what", "who", "how", "when", "where")
SUFFIXES = (".jsonl", ".json", ".csv")
_NOT_IN_T2VLP = frozenset(f"video{number}" for number in (710, 1054, 1975, 3023, 3071, 5009, 5397, 5858, 5992, 8528))
"""Facts: docs/facts/t2vlp.md, section 5."""


def rows(
    annotations: AnnotationsFile,
    media: MediaPath,
    id_map: IdMap = None,
    split: Split = None,
    leave_out: Annotated[str, typer.Option(help="none, or t2vlp: the ten videos that T2VLP leaves out.")] = "none",
) -> CountedRows:
    """MSRVTT-QA: questions and answers about videos.

    Give the .jsonl, .json or .csv with video, question and answer. One sample per video.
    """
    if leave_out not in ("none", "t2vlp"):
        raise OptionError(f"--leave-out {leave_out!r} is unknown; choose none or t2vlp")
    check_file(annotations)
    folder = MediaFolder(media, VIDEO_EXTENSIONS, id_map)
    records = question_records(annotations, REQUIRED, SUFFIXES, split)
    if leave_out == "t2vlp":
        records = _of_t2vlp(records)
    return question_rows(records, annotations, folder, _read, video_names)


def read(record: Record) -> Question:
    """A question of MSRVTT-QA or MSVD-QA, in any of their forms."""
    video, question, answer = record.id(VIDEO), record.text("question"), record.text("answer")
    given, identifier = record.value(TYPE), record.value(QUESTION_ID)
    first_word = (question or "").split()[:1]
    inferred = first_word[0].lower() if first_word and first_word[0].lower() in TYPES else "other"
    is_type = given is not None and not str(given).isdigit()
    return Question(
        video,
        question,
        answer,
        type=str(given) if is_type else inferred,
        id=record.place if identifier is None else str(identifier),
    )


def video_id(given: str) -> str:
    """The id of a video of MSR-VTT, "video7010", from any of its spellings: 7010, msr7010, video7010.mp4."""
    number = re.fullmatch(r"(?:video|msr)?([0-9]+)(?:\.mp4)?", given)
    return f"video{number[1]}" if number else given


def video_names(video: str) -> tuple[str, ...]:
    """Names that a video may have in the id map and in the media folder."""
    return (video, video.removeprefix("video"))


def _of_t2vlp(records: Iterator[Record | BadRow]) -> Iterator[Record | BadRow]:
    for record in records:
        if isinstance(record, BadRow) or video_id(str(record.value(VIDEO)).strip()) not in _NOT_IN_T2VLP:
            yield record


def _read(record: Record) -> Question:
    question = read(record)
    return replace(question, video=video_id(question.video))
