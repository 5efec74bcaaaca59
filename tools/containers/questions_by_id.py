"""The questions about the media of a container that holds media only, by the id of their medium.

LAVENDER's and VIOLET's files, {"train": [{"video", "question", "answer"}], "val": ..., "test": ...}: open questions
with a text, or with a number and the answers beside the splits (tools/questions.py); sentences with [MASK]; choices as
option_0 to option_4 with the number of the right one, with a question or, among captions, without.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from tools.annotations import check_file, load_json
from tools.containers.table_rows import Texts
from tools.containers.texts_by_id import ids_of_others
from tools.json_files.splits import splits_of
from tools.questions import Question, choice_of_captions, question_records
from tools.record import BadLine, Record
from tools.rows import MALFORMED, NO_MEDIA, BadRow

_OPTIONS = tuple(f"option_{number}" for number in range(5))
_VIDEO = ("video", "video_id", "gif_name")
_BLANK = "[MASK]"


def holds_questions(path: Path) -> bool:
    """True for a .json with splits whose entries have questions or options. Raises AnnotationError, OptionError."""
    check_file(path)
    if path.suffix.lower() != ".json":
        return False
    first = [entries[0] for entries in splits_of(load_json(path)).values() if entries]
    return any(isinstance(entry, dict) and not {"question", _OPTIONS[0]}.isdisjoint(entry) for entry in first)


class QuestionsById:
    """The questions of one split, and which media were asked for."""

    def __init__(self, path: Path, split: str | None) -> None:
        """Raises AnnotationError, OptionError."""
        self._path = path
        self._found: dict[str, list[Question]] = {}
        self._dropped: dict[str, list[str]] = {}
        self._bad: list[BadRow] = []
        self._asked: set[str] = set()
        self._elsewhere = ids_of_others(path, splits_of(load_json(path)), split, _VIDEO)
        for record in question_records(path, {}, (".json",), split):
            if isinstance(record, BadRow):
                self._bad.append(record)
                continue
            try:
                question = _read(record)
            except BadLine as error:
                self._bad.append(BadRow.at(record.place, path, MALFORMED, str(error)))
                continue
            questions, flaw = self._found.setdefault(question.video, []), question.flaw()
            if flaw:
                self._dropped.setdefault(question.video, []).append(f"{record.place}: {flaw}")
            else:
                questions.append(question)

    def __len__(self) -> int:
        return len(self._found) + len(self._bad)

    def records(self, identifier: str) -> Texts | None:
        """The records of a medium and why others are left out; None if the file has no entry for it."""
        if identifier not in self._found:
            return None
        self._asked.add(identifier)
        return tuple(question.record() for question in self._found[identifier]), tuple(
            self._dropped.get(identifier, ())
        )

    def is_elsewhere(self, identifier: str) -> bool:
        """True for a medium that only another split of the file has."""
        return identifier in self._elsewhere and identifier not in self._found

    def none_for(self, identifier: str) -> str:
        """The reason for a medium without an entry, and what to do."""
        return f"id {identifier!r} has no question in {self._path.name}; check --split, or accept the loss"

    def left(self, container: Path) -> Iterator[BadRow]:
        """The entries that cannot be read, and those whose medium never came."""
        yield from self._bad
        for identifier in self._found:
            if identifier not in self._asked:
                what = f"no medium with the id {identifier!r} in {container.name}; give the container of this split"
                yield BadRow.at(f"id {identifier!r}", self._path, NO_MEDIA, what)


def _read(record: Record) -> Question:
    video, question = record.id(_VIDEO), record.values.get("question")
    asked = record.text("question") if question is not None else None
    identifier = record.place.replace(" entry ", "-")
    if _OPTIONS[0] not in record.values:
        answer = record.text("answer")
        words = (asked or "").split()
        kind = "blank" if _BLANK in (asked or "") else words[0].lower() if words else "all"
        return Question(video, asked, answer, kind, identifier)
    choices = tuple(map(record.text, _OPTIONS))
    right = record.right_choice(choices)
    if not (asked or "").strip():
        return choice_of_captions(video, choices, right, identifier)
    return Question(video, asked, choices[right], "choice", identifier, choices, right)
