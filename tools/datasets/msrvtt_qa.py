"""MSRVTT-QA and MSVD-QA: one video with all its questions; builds from the forms that go round.

- .jsonl with {"question", "answer", "video_id", "answer_type"} per line (ALPRO, MCG, jpthu17/EMCL).
- .json list of {"question", "answer", "id", "video_id": number} (MSVD-QA of fanchenyou/HME-VideoQA; video 1 is "vid1").
- .json object {question id: {"question", "answer", "answer_type", "question_id", "video"}} (boheumd/MA-LMM).
- .csv with video,question,answer,qid,type (doc-doc/HQGA; MSRVTT's video 7010 is "video7010").

The questions of a video need not stand together: a first pass groups them (these sets are small), and a sample stands
where its video came first. A video is looked up as ID.EXT under --media (mp4 of MSRVTT, avi of MSVD), or by --id-map.
Answers stay texts; ans2label files belong to training. A question without type gets its first word, as in MSVD-QA.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from shards.media import VIDEO_EXTENSIONS
from tools.annotations import Columns, Record, check_file, csv_records, jsonl_records, load_json
from tools.lookup import MediaFolder, MediaNotFound
from tools.rows import MALFORMED, NO_MEDIA, NO_TEXT, AnnotationError, BadRow, CountedRows, Row, make_key, text_flaw

VIDEO = ("video_id", "video")
TYPE = ("answer_type", "type")
QUESTION_ID = ("question_id", "qid", "id")
REQUIRED: Columns = {"video": VIDEO, "question": ("question",), "answer": ("answer",)}
TYPES = ("what", "who", "how", "when", "where")
SUFFIXES = (".jsonl", ".json", ".csv")


@dataclass(slots=True)
class Questions:
    """What one video is asked: the place of the first question, the good ones, and why others were left out."""

    place: str
    records: list[dict[str, str]] = field(default_factory=list)
    dropped: list[str] = field(default_factory=list)


def rows(annotations: Path, media: Path, id_map: Path | None = None) -> CountedRows:
    """MSRVTT-QA, MSVD-QA: .jsonl, .json or .csv with video, question, answer; one sample per video."""
    check_file(annotations)
    if annotations.suffix.lower() not in SUFFIXES:
        raise AnnotationError(f"{annotations}: cannot tell the form; convert it to one of {', '.join(SUFFIXES)}")
    folder = MediaFolder(media, VIDEO_EXTENSIONS, id_map)
    grouped = _group(_records(annotations), annotations)
    return CountedRows((_row(entry, annotations, folder) for entry in grouped), len(grouped))


def _records(annotations: Path) -> Iterator[Record | BadRow]:
    suffix = annotations.suffix.lower()
    if suffix == ".jsonl":
        return jsonl_records(annotations)
    if suffix == ".csv":
        return csv_records(annotations, REQUIRED)
    entries = load_json(annotations)
    if isinstance(entries, dict):
        return (_entry(annotations, f"entry {key!r}", entry) for key, entry in entries.items())
    if isinstance(entries, list):
        return (_entry(annotations, f"entry {number}", entry) for number, entry in enumerate(entries, 1))
    raise AnnotationError(f"{annotations}: expected a list or object of questions, found {type(entries).__name__}")


def _entry(annotations: Path, place: str, entry: Any) -> Record | BadRow:
    if isinstance(entry, dict):
        return Record(place, entry)
    what = f'expected {{"question", "answer", "video_id"}}, found {type(entry).__name__}'
    return BadRow.at(place, annotations, MALFORMED, what)


def _group(records: Iterator[Record | BadRow], annotations: Path) -> list[BadRow | tuple[str, Questions]]:
    """Videos in the order of their first question, bad lines between them where they stood."""
    grouped: list[BadRow | tuple[str, Questions]] = []
    videos: dict[str, Questions] = {}
    for record in records:
        if isinstance(record, BadRow):
            grouped.append(record)
            continue
        flaw = _line_flaw(record)
        if flaw:
            grouped.append(BadRow.at(record.place, annotations, MALFORMED, flaw))
            continue
        video = str(record.value(VIDEO)).strip()
        if video not in videos:
            videos[video] = Questions(record.place)
            grouped.append((video, videos[video]))
        _add(videos[video], record)
    return grouped


def _line_flaw(record: Record) -> str:
    video = record.value(VIDEO)
    if isinstance(video, bool) or not isinstance(video, (str, int)) or not str(video).strip():
        return f"no video_id; it has {', '.join(record.values) or 'no fields'}"
    for name in ("question", "answer"):
        if name not in record.values:
            return f"no {name!r}; it has {', '.join(record.values)}"
        value = record.values[name]
        if value is not None and not isinstance(value, str):
            found = f"{type(value).__name__} {str(value)[:40]}"
            hint = "; labels are not answers: give the file with answer texts" if name == "answer" else ""
            return f"{name} must be a text, found {found}{hint}"
    return ""


def _add(questions: Questions, record: Record) -> None:
    question, answer = record.values["question"], record.values["answer"]
    for name, text in (("question", question), ("answer", answer)):
        flaw = text_flaw(text)
        if flaw:
            questions.dropped.append(f"{record.place}: {name} {flaw}")
            return
    given_type, given_id = record.value(TYPE), record.value(QUESTION_ID)
    first_word = question.split()[0].lower()
    answer_type = str(given_type) if given_type is not None else first_word if first_word in TYPES else "other"
    identifier = str(given_id) if given_id is not None else record.place
    questions.records.append({"question": question, "answer": answer, "type": answer_type, "id": identifier})


def _row(entry: BadRow | tuple[str, Questions], annotations: Path, folder: MediaFolder) -> Row | BadRow:
    if isinstance(entry, BadRow):
        return entry
    video, questions = entry
    place = questions.place
    if not questions.records:
        what = f"video {video!r} has no usable question ({'; '.join(questions.dropped)}); correct it or accept the loss"
        return BadRow.at(place, annotations, NO_TEXT, what)
    names = [video, f"video{video}", f"vid{video}"] if video.isdigit() else [video]
    try:
        path = folder.find(names, names)
    except MediaNotFound as error:
        what = f"video {video!r} with {len(questions.records)} question(s): {error}"
        return BadRow.at(place, annotations, NO_MEDIA, what)
    records, dropped = tuple(questions.records), tuple(questions.dropped)
    return Row(place, make_key(video), records, {"id": video}, path, dropped=dropped)
