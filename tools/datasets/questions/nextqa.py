"""NExT-QA, multiple choice: one video with all its questions, five choices each; all published forms.

- .csv with video,frame_count,width,height,question,answer,qid,type,a0,a1,a2,a3,a4; answer is the number of the choice
  (the authors' release, doc-doc/NExT-QA).
- the same with video_id and the text of the choice as answer (doc-doc/NExT-GQA).
- .json list of {"video_id", "question", "answer": "0", "qid", "type", "options": [5 texts]} (ecoxial2007/LGVA_VideoQA).

Videos lie in VidOR's folders: --id-map map_vid_vidorID.json, as published, says which ("0101/2909445186"). Without it a
video is looked up as ID.EXT. The id of a question is VIDEO_QID, as the official results file writes it. The types are
those of the authors: CW CH (causal: why, how), TN TC TP (temporal: next, current, previous), DC DL DO (descriptive:
count, location, other).
"""

from __future__ import annotations

from shards.media import VIDEO_EXTENSIONS
from tools.annotations import Columns, check_file
from tools.arguments import AnnotationsFile, IdMap, MediaPath
from tools.lookup import MediaFolder
from tools.questions import Question, question_records, question_rows
from tools.record import Record
from tools.rows import CountedRows

VIDEO = ("video", "video_id")
REQUIRED: Columns = {name: (name,) for name in ("question", "answer", "qid", "type")} | {"video": VIDEO}
CHOICES = ("a0", "a1", "a2", "a3", "a4")


def rows(annotations: AnnotationsFile, media: MediaPath, id_map: IdMap = None) -> CountedRows:
    """NExT-QA: multiple-choice questions about videos.

    Give the .csv (or LGVA's .json) and --id-map map_vid_vidorID.json. One sample per video.
    """
    check_file(annotations)
    required = REQUIRED | {name: (name,) for name in CHOICES}
    folder = MediaFolder(media, VIDEO_EXTENSIONS, id_map)
    return question_rows(question_records(annotations, required), annotations, folder, _read)


def video_id(record: Record) -> str:
    """The number of a video, which some files give with its folder in VidOR or as a file name. Raises BadLine."""
    return record.id(VIDEO).rpartition("/")[2].removesuffix(".mp4")


def question_id(record: Record) -> str:
    """VIDEO_QID: unique in a split, where qid alone counts within a video."""
    return f"{video_id(record)}_{record.id(('qid',))}"


def _read(record: Record) -> Question:
    choices = _choices(record)
    index = record.right_choice(choices)
    return Question(
        video_id(record),
        record.text("question"),
        choices[index],
        type=record.id(("type",)),
        id=question_id(record),
        choices=choices,
        answer_index=index,
    )


def _choices(record: Record) -> tuple[str | None, ...]:
    if record.values.get("options") is None:
        return tuple(map(record.text, CHOICES))
    return record.texts("options", len(CHOICES))
