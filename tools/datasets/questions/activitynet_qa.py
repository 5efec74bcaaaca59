"""ActivityNet-QA: one video with all its questions; the answers are in a file of their own.

train_q.json is a list of {"video_name", "question", "question_id"}, train_a.json (--answers) one of {"answer", "type",
"question_id"} (the authors' release, MILVLG/activitynet-qa); they are joined by question_id, and what has no partner
is quarantined, from either file.

Videos are looked up as v_NAME.EXT, as ActivityNet names them, and NAME.EXT. The numbers of the types get the names that
the authors' README gives them: 0 to 2 are kinds of questions, 3 to 8 those of the answers to free questions.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from shards.media import VIDEO_EXTENSIONS
from tools.annotations import check_file, load_value
from tools.arguments import AnnotationsFile, IdMap, MediaPath
from tools.lookup import MediaFolder
from tools.questions import Question, json_entries, question_rows
from tools.record import BadLine, Record
from tools.rows import MALFORMED, BadRow, CountedRows

TYPES = ("motion", "spatial", "temporal", "yes_no", "color", "object", "location", "number", "other")
VIDEO = ("video_name",)
ID = ("question_id",)


def rows(
    annotations: AnnotationsFile,
    media: MediaPath,
    answers: Annotated[Path, typer.Option(help="The *_a.json of the same split.")],
    id_map: IdMap = None,
) -> CountedRows:
    """ActivityNet-QA: questions about long videos.

    Give --annotations *_q.json and --answers *_a.json. Videos are v_NAME.mp4, .mkv, ...; one sample per video.
    """
    check_file(annotations)
    check_file(answers)
    folder = MediaFolder(media, VIDEO_EXTENSIONS, id_map)
    return question_rows(_joined(annotations, answers), annotations, folder, _read, lambda v: (f"v_{v}", v))


def bare_name(video: str) -> str:
    """The id of YouTube, 11 characters, without the "v_" that ActivityNet's files have before it."""
    return video[2:] if video.startswith("v_") and len(video) == 13 else video


def _joined(annotations: Path, answers: Path) -> Iterator[Record | BadRow]:
    """Questions joined with the fields of their answers; then, as bad rows, answers without a question."""
    answer_of: dict[str, Record] = {}
    bad: list[BadRow] = []
    for entry in json_entries(answers, load_value(answers)):
        if isinstance(entry, BadRow):
            bad.append(entry)
            continue
        identifier = str(entry.value(ID))
        if answer_of.setdefault(identifier, entry) is not entry:
            what = (
                f"the question_id {identifier!r} stood at {answer_of[identifier].place} already; remove one of the two"
            )
            bad.append(BadRow.at(entry.place, answers, MALFORMED, what))
    asked: dict[str, str] = {}
    for entry in json_entries(annotations, load_value(annotations)):
        if isinstance(entry, BadRow):
            yield entry
            continue
        identifier = str(entry.value(ID))
        if identifier in asked:
            what = f"the question_id {identifier!r} stood at {asked[identifier]} already; remove one of the two"
            yield BadRow.at(entry.place, annotations, MALFORMED, what)
            continue
        asked[identifier] = entry.place
        if identifier in answer_of:
            yield Record(entry.place, {**answer_of[identifier].values, **entry.values})
        else:
            what = f"no answer with the question_id {identifier!r} in {answers.name}; give the file of this split"
            yield BadRow.at(entry.place, annotations, MALFORMED, what)
    yield from bad
    for identifier, entry in answer_of.items():
        if identifier not in asked:
            what = f"no question with the question_id {identifier!r} in {annotations.name}; give the file of this split"
            yield BadRow.at(entry.place, answers, MALFORMED, what)


def _read(record: Record) -> Question:
    number = record.values.get("type")
    if isinstance(number, bool) or not isinstance(number, int) or not 0 <= number < len(TYPES):
        raise BadLine(f"type must be a number, 0 to {len(TYPES) - 1}, found {str(number)[:40]!r}")
    return Question(
        bare_name(record.id(VIDEO)),
        record.text("question"),
        record.text("answer"),
        type=TYPES[number],
        id=record.id(ID),
    )
