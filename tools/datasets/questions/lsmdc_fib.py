"""LSMDC, fill in the blank: a film clip with a sentence about it in which a word is missing, several times over.

LSMDC16_annos_training_FIB.csv, ..._val_FIB.csv, ..._test_FIB.csv: fields separated by tabs, without header and quoting
(a quote is a letter): clip, start and end as aligned, start and end as extracted, sentence, sentence with a blank, the
word of the blank (README of the LSMDC 2016 challenge, which counts 296,960, 21,689 and 30,349 lines). The organisers
give the files out for a password; of the real ones none was at hand.

A record's question is the sentence with its blank as published, "_____", its type "blank", its id the line. Some lines
of val have no blank (antoyang/FrozenBiLM leaves them out); they are quarantined, as is one with several. Answers stay
words, scored as other open answers; a closed vocabulary belongs to training (LAVENDER's has 908 words, FrozenBiLM's the
1,000 commonest).

Also read: .json {"train": [{"video", "question", "answer": number}], ..., "ans2label": {word: number}} with --split,
where the blank is [MASK] (read by microsoft/LAVENDER).

A clip 1031_Quantum_of_Solace_00.01.02.100-00.01.05.300 is looked up as 1031_Quantum_of_Solace/CLIP.EXT, as the clips
are distributed (.avi), then as CLIP.EXT, or by --id-map.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from shards.media import VIDEO_EXTENSIONS
from tools.annotations import PICKLES, check_file, tsv_lines
from tools.arguments import AnnotationsFile, IdMap, MediaPath, Split
from tools.json_files.splits import refuse_split
from tools.lookup import MediaFolder
from tools.questions import Question, question_records, question_rows
from tools.record import BadLine, Record
from tools.rows import MALFORMED, BadRow, CountedRows

CLIP = ("clip", "start_aligned", "end_aligned", "start_extracted", "end_extracted")
"""The fields with which a line of every LSMDC file begins."""
_BLANK = re.compile(r"_{3,}|\[MASK\]")
"""The blank as published, "_____", and in the files that LAVENDER reads."""
VIDEO = (CLIP[0], "video", "clip_id", "video_id", "clip_name")


def rows(annotations: AnnotationsFile, media: MediaPath, id_map: IdMap = None, split: Split = None) -> CountedRows:
    """LSMDC blanks: missing words of sentences about films.

    Give LSMDC16_annos_training_FIB.csv, ..._val_FIB.csv or ..._test_FIB.csv, and the folder of the clips. One sample
    per clip.
    """
    check_file(annotations)
    folder = MediaFolder(media, VIDEO_EXTENSIONS, id_map)
    records = clip_records(annotations, ("sentence", "question", "answer"), split=split)
    return question_rows(records, annotations, folder, _read, clip_names)


def clip_records(path: Path, *forms: tuple[str, ...], split: str | None = None) -> Iterator[Record | BadRow]:
    """Records of an LSMDC file, whatever its name; a form names the fields of a line after those of CLIP, and their
    number tells which. A .json or a pickle holds splits of questions."""
    if path.suffix.lower() in (".json", *PICKLES):
        return question_records(path, {}, (".json",), split)
    refuse_split(path, split)
    return _lines(path, *forms)


def _lines(path: Path, *forms: tuple[str, ...]) -> Iterator[Record | BadRow]:
    columns = {len(CLIP) + len(form): CLIP + form for form in forms}
    for number, fields in tsv_lines(path):
        place = f"line {number}"
        if not any(field.strip() for field in fields):
            continue
        if len(fields) in columns:
            yield Record(place, dict(zip(columns[len(fields)], fields, strict=True)))
            continue
        wanted = " or ".join(f"{count} ({', '.join(names)})" for count, names in columns.items())
        what = f"{len(fields)} field(s) separated by tabs, expected {wanted}; correct the line"
        yield BadRow.at(place, path, MALFORMED, what)


def clip_id(record: Record) -> str:
    """The id of a clip, without the extension that some files give it. Raises BadLine."""
    return re.sub(r"\.(avi|mp4)$", "", record.id(VIDEO))


def clip_names(clip: str) -> tuple[str, ...]:
    """Names that a clip may have under the media folder: in the folder of its film, and without."""
    film, _, times = clip.rpartition("_")
    return (f"{film}/{clip}", clip) if film and times else (clip,)


def _read(record: Record) -> Question:
    clip, question = clip_id(record), record.text("question")
    if question and question.strip() and (count := len(_BLANK.findall(question))) != 1:
        found = "several blanks" if count else "no blank _____"
        raise BadLine(f"{found} in {question[:80]!r}; write one or accept the loss")
    return Question(clip, question, record.text("answer"), "blank", record.place)
