"""MSRVTT-MC: a video of MSR-VTT's test split and five captions, one of which is its own; 2,990 of them, for test only.

- MSR_MC_test.csv, separated by tabs: key, vid_key ("msr7010"), a1 to a5, answer, from 0 (the authors' yj-yu/lsmdc reads
  it so, VideoCLIP and Norton, too).
- msrvtt_mc_test.jsonl with {"qid", "clip_name": "video7010", "options": [5 captions], "answer"} (read by All-in-One).
- {"test": [{"video": "video7010", "option_0" to "option_4", "answer"}]} with --split test (read by LAVENDER).
- msrvtt_mc_test.json, a list of {"video": "video7010.mp4", "caption": [5 captions], "answer"} (read by VindLU).

None of these files was at hand: the forms are those that the readers named expect. A video has the id "video7010" in
every form, as in MSRVTT-QA, and is looked up as there (tools/datasets/questions/msrvtt_qa.py). Records have the
question that all sets of captions have (tools/questions.py) and the type "caption".
"""

from __future__ import annotations

from shards.media import VIDEO_EXTENSIONS
from tools.annotations import Columns, check_file
from tools.arguments import AnnotationsFile, IdMap, MediaPath, Split
from tools.datasets.questions.msrvtt_qa import SUFFIXES, video_id, video_names
from tools.lookup import MediaFolder
from tools.questions import Question, choice_of_captions, question_records, question_rows
from tools.record import Record
from tools.rows import CountedRows

OPTIONS = tuple(f"option_{number}" for number in range(5))
"""Names of the choices in VIOLET's and LAVENDER's files."""
VIDEO = ("vid_key", "clip_name", "video")
QUESTION_ID = ("qid", "key")
CHOICES = ("a1", "a2", "a3", "a4", "a5")
REQUIRED: Columns = {name: (name,) for name in (*CHOICES, "answer")} | {"video": VIDEO}


def rows(annotations: AnnotationsFile, media: MediaPath, id_map: IdMap = None, split: Split = None) -> CountedRows:
    """MSRVTT-MC: which of five captions is that of a video.

    Give MSR_MC_test.csv, or the .jsonl or .json of msrvtt_mc_test. One sample per video; test only.
    """
    check_file(annotations)
    folder = MediaFolder(media, VIDEO_EXTENSIONS, id_map)
    records = question_records(annotations, REQUIRED, SUFFIXES, split)
    return question_rows(records, annotations, folder, _read, video_names)


def _read(record: Record) -> Question:
    listed = next((name for name in ("options", "caption") if name in record.values), None)
    names = OPTIONS if OPTIONS[0] in record.values else CHOICES
    choices = record.texts(listed, len(CHOICES)) if listed else [record.text(name) for name in names]
    identifier = record.place if record.value(QUESTION_ID) is None else record.id(QUESTION_ID)
    return choice_of_captions(video_id(record.id(VIDEO)), choices, record.right_choice(choices), identifier)
