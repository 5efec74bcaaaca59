"""Group the questions of a set by video: one sample per video with all its questions, for all question sets.

A dataset tells how to read one record (`Read`) and which file names its videos have. The questions of a video may be
spread over the file: a first pass groups them (these sets are small), and the sample has the place of the first. A
record that cannot be read is quarantined. A question or answer without text is dropped if the video has others; the
json of the sample lists it. Texts are kept verbatim.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tools.annotations import Columns, load_json, table_records
from tools.lookup import MediaFolder, MediaNotFound
from tools.record import BadLine, Record
from tools.rows import MALFORMED, NO_MEDIA, NO_TEXT, AnnotationError, BadRow, CountedRows, Row, make_key, text_flaw

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
    path: Path, required: Columns, suffixes: Sequence[str] = (".csv", ".json")
) -> Iterator[Record | BadRow]:
    """Records and BadRows of a .jsonl, a .csv (commas or tabs), or a .json with a list or an object of questions."""
    if path.suffix.lower() == ".json" and ".json" in suffixes:
        return json_entries(path, load_json(path))
    return table_records(path, required, suffixes=suffixes)


def json_entries(path: Path, entries: Any, within: str = "") -> Iterator[Record | BadRow]:
    """Records of a list or object of questions; places are "entry 3" (of a list), "entry 'key'" (of an object)."""
    if isinstance(entries, dict):
        return (_entry(path, f"{within}entry {key!r}", entry) for key, entry in entries.items())
    if isinstance(entries, list):
        return (_entry(path, f"{within}entry {number}", entry) for number, entry in enumerate(entries, 1))
    raise AnnotationError(
        f"{path}: expected a list or object of questions, found {type(entries).__name__}; give the published file"
    )


def _entry(path: Path, place: str, entry: Any) -> Record | BadRow:
    if isinstance(entry, dict):
        return Record(place, entry)
    return BadRow.at(place, path, MALFORMED, f"expected an object with a question, found {type(entry).__name__}")


@dataclass(slots=True)
class _Asked:
    """The questions of one video: the place of the first, the usable ones, and why others are dropped."""

    place: str
    records: list[dict[str, Any]] = field(default_factory=list)
    dropped: list[str] = field(default_factory=list)


def question_rows(
    records: Iterable[Record | BadRow],
    annotations: Path,
    folder: MediaFolder,
    read: Read,
    names: Callable[[str], Sequence[str]] = lambda video: (video,),
) -> CountedRows:
    """A row per video and per bad record, in the order of the file.

    names: gives for the id of a video the names that it may have in the id map and in the media folder (paths without
    extension).
    """
    grouped = _group(records, annotations, read)
    return CountedRows((_row(entry, annotations, folder, names) for entry in grouped), len(grouped))


def _group(records: Iterable[Record | BadRow], annotations: Path, read: Read) -> list[BadRow | tuple[str, _Asked]]:
    grouped: list[BadRow | tuple[str, _Asked]] = []
    videos: dict[str, _Asked] = {}
    for record in records:
        if isinstance(record, BadRow):
            grouped.append(record)
            continue
        try:
            question = read(record)
        except BadLine as flaw:
            grouped.append(BadRow.at(record.place, annotations, MALFORMED, str(flaw)))
            continue
        if question.video not in videos:
            videos[question.video] = _Asked(record.place)
            grouped.append((question.video, videos[question.video]))
        asked, flaw_of_text = videos[question.video], question.flaw()
        if flaw_of_text:
            asked.dropped.append(f"{record.place}: {flaw_of_text}")
        else:
            asked.records.append(question.record())
    return grouped


def _row(
    entry: BadRow | tuple[str, _Asked], annotations: Path, folder: MediaFolder, names: Callable[[str], Sequence[str]]
) -> Row | BadRow:
    if isinstance(entry, BadRow):
        return entry
    video, asked = entry
    if not asked.records:
        what = f"video {video!r} has no usable question ({'; '.join(asked.dropped)}); correct it or accept the loss"
        return BadRow.at(asked.place, annotations, NO_TEXT, what)
    try:
        path = folder.find(names(video), names(video))
    except MediaNotFound as error:
        what = f"video {video!r} with {len(asked.records)} question(s): {error}"
        return BadRow.at(asked.place, annotations, NO_MEDIA, what)
    return Row(asked.place, make_key(video), tuple(asked.records), {"id": video}, path, dropped=tuple(asked.dropped))
