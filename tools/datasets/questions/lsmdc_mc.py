"""LSMDC, multiple choice: a film clip and five sentences, one of which was written about it.

LSMDC16_multiple_choice_train.csv, ..._valid.csv, ..._test_randomized.csv: fields separated by tabs, without header and
quoting (README of the LSMDC 2016 challenge, which counts 101,079, 7,408 and 10,053 lines). The organisers give the
files out for a password; of the real ones none was at hand.

- train, valid: clip, start and end as aligned, start and end as extracted, the right sentence, four others.
- test: the same five fields, five sentences, the number of the right one, from 1.
- .json {"train": [{"video", "question": "", "option_0" to "option_4", "answer"}], ...} with --split (read by LAVENDER);
  answers count from 0 there.

In train and valid the right sentence is always the first. Here its place is drawn by a hash of the clip, so that no
model learns the place; answer_index counts from 0. Records have the question that all sets of captions have
(tools/questions.py), the type "caption", and the line as id. Clips are looked up as those of the blanks
(tools/datasets/questions/lsmdc_fib.py).
"""

from __future__ import annotations

import hashlib

from shards.media import VIDEO_EXTENSIONS
from tools.annotations import check_file
from tools.arguments import AnnotationsFile, IdMap, MediaPath, Split
from tools.datasets.questions.lsmdc_fib import clip_id, clip_names, clip_records
from tools.datasets.questions.msrvtt_mc import OPTIONS
from tools.lookup import MediaFolder
from tools.questions import Question, choice_of_captions, question_rows
from tools.record import BadLine, Record
from tools.rows import CountedRows

SENTENCES = tuple(f"sentence{number}" for number in range(1, 6))
NUMBERS = tuple(str(number) for number in range(1, 6))


def rows(annotations: AnnotationsFile, media: MediaPath, id_map: IdMap = None, split: Split = None) -> CountedRows:
    """LSMDC choices: which sentence is about a film clip.

    Give LSMDC16_multiple_choice_train.csv, ..._valid.csv or ..._test_randomized.csv, and the folder of the clips. One
    sample per clip.
    """
    check_file(annotations)
    folder = MediaFolder(media, VIDEO_EXTENSIONS, id_map)
    records = clip_records(annotations, SENTENCES, (*SENTENCES, "answer"), split=split)
    return question_rows(records, annotations, folder, _read, clip_names)


def _read(record: Record) -> Question:
    if OPTIONS[0] in record.values:
        clip, choices = clip_id(record), [record.text(name) for name in OPTIONS]
        return choice_of_captions(clip, choices, record.right_choice(choices), record.place)
    clip, choices = clip_id(record), [record.text(name) for name in SENTENCES]
    if "answer" in record.values:
        number = str(record.values["answer"]).strip()
        if number not in NUMBERS:
            raise BadLine(f"answer must be the number of a sentence, 1 to 5, found {number[:40]!r}; correct it")
        index = int(number) - 1
    else:
        index = int.from_bytes(hashlib.blake2b(clip.encode("utf-8", "surrogatepass"), digest_size=8).digest()) % 5
        choices.insert(index, choices.pop(0))
    return choice_of_captions(clip, choices, index, record.place)
