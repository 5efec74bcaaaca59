"""Questions of all question sets: what one is, and rows with all the questions of a video.

A dataset tells how to read one record (`Read`) and which file names its videos have; tools/by_video.py does the rest. A
question is dropped if it, its answer or a choice has no text. Texts are kept verbatim.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tools.annotations import PICKLES, Columns, json_records, load_value, table_records
from tools.by_video import rows_by_video
from tools.json_files.splits import answers_of, refuse_split, split_name, splits_of
from tools.lookup import MediaFolder
from tools.record import Record
from tools.rows import MALFORMED, BadRow, CountedRows, OptionError, text_flaw

CAPTION_QUESTION = "what is happening in the video?"


@dataclass(frozen=True, slots=True)
class Question:
    """A question as one record has it; the texts may be None or empty."""

    video: str
    question: str | None
    answer: str | None
    type: str
    id: str
    choices: tuple[str | None, ...] = ()
    """The choices of a multiple-choice question; `answer` is the one at answer_index."""
    answer_index: int = 0
    more_answers: tuple[str, ...] = ()
    """Further answers that count as right."""

    def flaw(self) -> str:
        """The reason why the question cannot be used, or "" if it can."""
        named = [("question", self.question), ("answer", self.answer)]
        named += [(f"choice {number}", choice) for number, choice in enumerate(self.choices)]
        flaws = ((name, text_flaw(text)) for name, text in named)
        return next((f"{name} {flaw}" for name, flaw in flaws if flaw), "")

    def record(self) -> dict[str, Any]:
        """The text record of a sample."""
        record: dict[str, Any] = {"question": self.question, "answer": self.answer, "type": self.type, "id": self.id}
        if self.choices:
            record |= {"choices": list(self.choices), "answer_index": self.answer_index}
        if self.more_answers:
            record["answers"] = [self.answer, *self.more_answers]
        return record


def choice_of_captions(video: str, captions: Sequence[str | None], index: int, identifier: str) -> Question:
    """A choice among captions, for which sets give no question: all have the same one, and the type "caption"."""
    return Question(video, CAPTION_QUESTION, captions[index], "caption", identifier, tuple(captions), index)


Read = Callable[[Record], Question]
"""Reads a record of a dataset as a question. Raises BadLine."""


def question_records(
    path: Path, required: Columns, suffixes: Sequence[str] = (".csv", ".json"), split: str | None = None
) -> Iterator[Record | BadRow]:
    """Records and BadRows of a .jsonl, a .csv (commas or tabs), or a .json or pickle with a list or an object of
    questions or with splits.

    Answers that a file with splits gives as numbers, with the answers by number beside them, become texts.
    """
    suffix = path.suffix.lower()
    if suffix not in PICKLES and (suffix != ".json" or suffix not in suffixes):
        refuse_split(path, split)
        return table_records(path, required, suffixes=suffixes)
    value = load_value(path)
    splits = splits_of(value)
    if not splits:
        refuse_split(path, split)
        return json_entries(path, value)
    if split is None:
        raise OptionError(f"{path}: holds the splits {', '.join(splits)}; say which with --split")
    name = split_name(path, list(splits), split)
    return _in_words(json_entries(path, splits[name], f"{name} "), path, answers_of(value))


def _in_words(records: Iterator[Record | BadRow], path: Path, answers: Mapping[int, str]) -> Iterator[Record | BadRow]:
    """Open questions with their answers as texts; LAVENDER also writes them as answer_text."""
    for record in records:
        if isinstance(record, BadRow) or "option_0" in record.values:
            yield record
            continue
        number, text = record.values.get("answer"), record.values.get("answer_text")
        if text is None and answers and type(number) is int:
            text = answers.get(number)
            if text is None:
                what = f"the answer {number} is none of the {len(answers):,} that the file lists; accept the loss"
                yield BadRow.at(record.place, path, MALFORMED, what)
                continue
        yield record if text is None else Record(record.place, record.values | {"answer": text})


def json_entries(path: Path, entries: Any, within: str = "") -> Iterator[Record | BadRow]:
    """Records of a list or object of questions; places as those of json_records."""
    return json_records(path, entries, "question", within)


def question_rows(
    records: Iterable[Record | BadRow],
    annotations: Path,
    folder: MediaFolder,
    read: Read,
    names: Callable[[str], Sequence[str]] = lambda video: (video,),
) -> CountedRows:
    """A row per video and per bad record, in the order of the file (tools/by_video.py)."""
    return rows_by_video(records, annotations, folder, read, "question", names)
