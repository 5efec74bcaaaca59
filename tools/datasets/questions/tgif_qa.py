"""TGIF-QA: one GIF with all its questions: frame questions, and the three tasks about repetition and order.

The authors' release (YunseokJANG/tgif-qa) has files Train_*_question.csv and Test_*_question.csv, separated by tabs:

- frameqa: gif_name, question, answer (a word), type, vid_id, key, description.
- count: gif_name, question, answer (a whole number), vid_id, key.
- action, transition: gif_name, question, a1 to a5, answer (number of the choice, from 0), vid_id, key.

Also read: HQGA's frameqa with commas, video,width,height,question,answer,qid (doc-doc/HQGA), whose videos are the keys
of the release and whose types are inferred (right for 13,689 of the 13,691 published ones); VIOLET's json with splits
of {"video", "question", "option_0" to "option_4", "answer"} (tsujuifu/pytorch_violet).

The columns tell the form, and the ids actions from transitions. A count is an open question that is answered with the
number as text, and scored so: right where it is the number. The mean squared error of the paper is not computed.

A GIF is looked up as NAME.gif, then with a video's extension. The release has no val split: --split train and --split
val divide a file's GIFs nine to one, by a hash of the name, so that no GIF is in both.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from shards.media import VIDEO_EXTENSIONS
from tools.annotations import PICKLES, Columns, check_file, load_json
from tools.arguments import AnnotationsFile, IdMap, MediaPath
from tools.json_files.splits import splits_of
from tools.lookup import MediaFolder
from tools.questions import Question, question_records, question_rows
from tools.record import BadLine, Record
from tools.rows import AnnotationError, BadRow, CountedRows, OptionError

VIDEO = ("gif_name", "video")
QUESTION_ID = ("vid_id", "qid")
REQUIRED: Columns = {"gif_name": VIDEO, "question": ("question",), "answer": ("answer",), "id": QUESTION_ID}
TYPES = ("object", "number", "color", "location")
"""Names of the types of frame questions, by the number in the column `type`."""
CHOICES = (tuple(f"a{n}" for n in range(1, 6)), tuple(f"option_{n}" for n in range(5)))
VAL_SHARE = 10
"""One of so many GIFs goes to val."""


def rows(
    annotations: AnnotationsFile,
    media: MediaPath,
    id_map: IdMap = None,
    split: Annotated[
        str | None, typer.Option(help="train or val, a part of Train_*; of VIOLET's json its own.")
    ] = None,
) -> CountedRows:
    """TGIF-QA: questions about GIFs.

    Give Train_* or Test_* of frameqa, count, action or transition (.csv), and the folder gifs. The release has no
    val: --split train and --split val divide Train_*. One sample per GIF.
    """
    check_file(annotations)
    folder = MediaFolder(media, ("gif", *VIDEO_EXTENSIONS), id_map)
    if annotations.suffix.lower() == ".json" and not splits_of(load_json(annotations)):
        raise AnnotationError(f'{annotations}: expected VIOLET\'s {{"train": [questions]}}, found none of it')
    if annotations.suffix.lower() in (".json", *PICKLES):
        records = question_records(annotations, REQUIRED, (".json",), split)
    else:
        records = _divided(question_records(annotations, REQUIRED, (".csv",)), annotations, split)
    return question_rows(records, annotations, folder, _read)


def _divided(records: Iterator[Record | BadRow], annotations: Path, split: str | None) -> Iterator[Record | BadRow]:
    if split not in (None, "train", "val"):
        raise OptionError(f"{annotations}: --split {split!r}: choose train or val, or leave it out for the whole file")
    for record in records:
        video = "" if isinstance(record, BadRow) else str(record.value(VIDEO)).strip().removesuffix(".gif")
        digest = hashlib.blake2b(video.encode("utf-8", "surrogatepass"), digest_size=8).digest()
        is_val = bool(video) and int.from_bytes(digest) % VAL_SHARE == 0
        if split is None or is_val == (split == "val"):
            yield record


def _read(record: Record) -> Question:
    video, question = record.id(VIDEO).removesuffix(".gif"), record.text("question")
    names = next((names for names in CHOICES if names[0] in record.values), None)
    identifier = record.place if record.value(QUESTION_ID) is None else record.id(QUESTION_ID)
    if names is None:
        kind, answer = _type(record, question or "", identifier), record.text("answer")
        if kind == "count" and answer and not answer.strip().isdecimal():
            raise BadLine(f"answer of a count must be a whole number, found {answer[:40]!r}; correct it")
        return Question(video, question, answer, kind, identifier)
    choices = tuple(map(record.text, names))
    index = record.right_choice(choices)
    is_transition = identifier.startswith("TRANS") or {"before", "after"} & set((question or "").lower().split())
    kind = "transition" if is_transition else "action"
    return Question(video, question, choices[index], kind, identifier, choices, index)


def _type(record: Record, question: str, identifier: str) -> str:
    number = record.values.get("type")
    if number is not None:
        if number not in ("0", "1", "2", "3"):
            raise BadLine(f"type must be a number, 0 to {len(TYPES) - 1}, found {str(number)[:40]!r}")
        return TYPES[int(number)]
    if identifier.startswith("COUNT"):
        return "count"
    words = question.lower().split()
    if words[:1] == ["how"]:
        return "number"
    if words[:1] == ["where"]:
        return "location"
    return "color" if "color" in words else "object"
