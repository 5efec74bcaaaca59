"""MSRVTT-QA: one video with all its questions; reads the forms in which it is distributed.

- .jsonl with {"question", "answer", "video_id", "answer_type"} per line (ALPRO, MCG, jpthu17/EMCL).
- .json list of {"question", "answer", "id", "video_id": number} (video 7010 is "video7010").
- .json object {question id: {"question", "answer", "answer_type", "question_id", "video"}} (boheumd/MA-LMM).
- .csv with video,question,answer,qid,type (doc-doc/HQGA), whose `type` is the category of the video, not of a question.

A video is looked up as ID.EXT under --media (mp4), or by --id-map. Answers stay texts; ans2label files belong to
training. A question without a type gets its first word as type, as the published types are made.
"""

from __future__ import annotations

from shards.media import VIDEO_EXTENSIONS
from tools.annotations import Columns, check_file
from tools.arguments import AnnotationsFile, IdMap, MediaPath
from tools.lookup import MediaFolder
from tools.questions import Question, question_records, question_rows
from tools.record import Record
from tools.rows import CountedRows

VIDEO = ("video_id", "video")
TYPE = ("answer_type", "type")
QUESTION_ID = ("question_id", "qid", "id")
REQUIRED: Columns = {"video": VIDEO, "question": ("question",), "answer": ("answer",)}
TYPES = ("what", "who", "how", "when", "where")
SUFFIXES = (".jsonl", ".json", ".csv")


def rows(annotations: AnnotationsFile, media: MediaPath, id_map: IdMap = None) -> CountedRows:
    """MSRVTT-QA: questions and answers about videos.

    Give the .jsonl, .json or .csv with video, question and answer. One sample per video.
    """
    check_file(annotations)
    folder = MediaFolder(media, VIDEO_EXTENSIONS, id_map)
    return question_rows(question_records(annotations, REQUIRED, SUFFIXES), annotations, folder, read, _names)


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


def _names(video: str) -> tuple[str, ...]:
    return (video, f"video{video}") if video.isdigit() else (video,)
