"""NExT-QA, open-ended (NExT-OE): one video with all its questions, each with an answer in words.

.csv with video,frame_count,width,height,question,answer,qid,type (the authors' release, doc-doc/NExT-OE). For the test
split, --answers add_reference_answer_test.json adds the second reference that the official score uses: {video: {qid:
answer}}, for about half of the questions; a record that has one carries "answers": [answer, second answer].

Videos, ids and types are those of NExT-QA (tools/datasets/questions/nextqa.py), with the types DB (descriptive, yes or
no) beside them. Three pairs of video and qid stand twice in the published train.csv; both questions are kept.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from shards.media import VIDEO_EXTENSIONS
from tools.annotations import check_file, load_json
from tools.arguments import AnnotationsFile, IdMap, MediaPath
from tools.datasets.questions.nextqa import REQUIRED, VIDEO, question_id, video_id
from tools.lookup import MediaFolder
from tools.questions import Question, question_records, question_rows
from tools.record import Record
from tools.rows import AnnotationError, BadRow, CountedRows

References = dict[str, dict[str, str]]
"""Video -> qid -> answer."""


def rows(
    annotations: AnnotationsFile,
    media: MediaPath,
    answers: Annotated[Path | None, typer.Option(help="add_reference_answer_test.json, for test.")] = None,
    id_map: IdMap = None,
) -> CountedRows:
    """NExT-QA, open-ended: questions and answers.

    Give the .csv, --id-map map_vid_vidorID.json and, for test, --answers add_reference_answer_test.json. One sample
    per video.
    """
    check_file(annotations)
    folder = MediaFolder(media, VIDEO_EXTENSIONS, id_map)
    references = {} if answers is None else _references(answers)
    records = list(question_records(annotations, REQUIRED, (".csv",)))
    if answers is not None:
        _check_used(records, references, annotations, answers)
    return question_rows(records, annotations, folder, lambda record: _read(record, references))


def _read(record: Record, references: References) -> Question:
    video = video_id(record)
    second = references.get(video, {}).get(record.id(("qid",)))
    return Question(
        video,
        record.text("question"),
        record.text("answer"),
        type=record.id(("type",)),
        id=question_id(record),
        more_answers=() if second is None else (second,),
    )


def _references(path: Path) -> References:
    references = load_json(path)
    videos = list(references.values()) if isinstance(references, dict) else []
    if not videos or not all(isinstance(video, dict) for video in videos):
        raise AnnotationError(f'{path}: expected {{"video": {{"qid": "answer"}}}}, as add_reference_answer_test.json')
    for video, answers in references.items():
        for qid, answer in answers.items():
            if not isinstance(answer, str) or not answer.strip():
                raise AnnotationError(
                    f"{path}: video {video!r} qid {qid!r}: the answer is {answer!r}; remove or write it"
                )
    return dict(references)


def _check_used(records: list[Record | BadRow], references: References, annotations: Path, answers: Path) -> None:
    """Raise AnnotationError if no second answer fits: they are those of another split."""
    asked = {str(r.value(VIDEO)).strip() for r in records if isinstance(r, Record)}
    if asked and asked.isdisjoint(references):
        raise AnnotationError(f"{answers}: none of its videos is asked about in {annotations}; give that of this split")
