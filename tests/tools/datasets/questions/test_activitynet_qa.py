"""ActivityNet-QA rows: questions and answers of two files become one record, and what has no partner is named."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from tools.datasets.questions import activitynet_qa
from tools.rows import AnnotationError, BadRow, Row

Write = Callable[[str, str | bytes], Path]
OneForAll = Callable[[Iterable[str]], tuple[Path, Path]]


def question(identifier: str, video: str = "okC18bPTils", text: Any = "are they men") -> dict[str, Any]:
    return {"video_name": video, "question": text, "question_id": identifier}


def answer(identifier: str, text: Any = "no", number: Any = 3) -> dict[str, Any]:
    return {"answer": text, "type": number, "question_id": identifier}


@pytest.fixture
def media(tmp_path: Path) -> Path:
    (tmp_path / "media").mkdir()
    for name in ("v_okC18bPTils.mkv", "-LpQJzuvpGM.mp4"):
        (tmp_path / "media" / name).touch()
    return tmp_path / "media"


@pytest.fixture
def rows_of(text_file: Write, media: Path) -> Callable[[Any, Any], list[Row | BadRow]]:
    def rows(questions: Any, answers: Any) -> list[Row | BadRow]:
        q, a = text_file("val_q.json", json.dumps(questions)), text_file("val_a.json", json.dumps(answers))
        return list(activitynet_qa.rows(q, media, a))

    return rows


def test_questions_meet_their_answers_wherever_they_stand(
    rows_of: Callable[[Any, Any], list[Row | BadRow]], media: Path
) -> None:
    first, second = rows_of(
        [question("v_a_1"), question("v_b_1", "-LpQJzuvpGM", "where?"), question("v_a_2", text="what color")],
        [answer("v_a_2", "red", 4), answer("v_b_1", "beach", 6), answer("v_a_1")],
    )
    assert first == Row(
        "entry 1",
        "okC18bPTils",
        (
            {"question": "are they men", "answer": "no", "type": "yes_no", "id": "v_a_1"},
            {"question": "what color", "answer": "red", "type": "color", "id": "v_a_2"},
        ),
        {"id": "okC18bPTils"},
        media / "v_okC18bPTils.mkv",
    )
    assert isinstance(second, Row) and second.media_path == media / "-LpQJzuvpGM.mp4"


@pytest.mark.parametrize(
    ("questions", "answers", "record_id", "reason"),
    [
        (
            [question("x")],
            [],
            "entry 2",
            "malformed line: val_q.json entry 2: no answer with the question_id 'x' in val_a.j",
        ),
        (
            [],
            [answer("x")],
            "entry 2",
            "malformed line: val_a.json entry 2: no question with the question_id 'x' in val_q.j",
        ),
        (
            [question("a")],
            [],
            "entry 2",
            "malformed line: val_q.json entry 2: the question_id 'a' stood at entry 1 already;",
        ),
        (
            [],
            [answer("a")],
            "entry 2",
            "malformed line: val_a.json entry 2: the question_id 'a' stood at entry 1 already;",
        ),
        (
            [question("x")],
            [answer("x", number=9)],
            "entry 2",
            "malformed line: val_q.json entry 2: type must be a number, 0",
        ),
        ([question("x", "")], [answer("x")], "entry 2", "malformed line: val_q.json entry 2: no video_name; it has"),
        ([3], [], "entry 2", "malformed line: val_q.json entry 2: expected an object with a question, found int"),
        (
            [],
            [None],
            "entry 2",
            "malformed line: val_a.json entry 2: expected an object with a question, found NoneType",
        ),
        (
            [question("x", "v")],
            [answer("x")],
            "entry 2",
            "media not found: val_q.json entry 2: video 'v' with 1 question(s)",
        ),
        (
            [question("x", "v", None)],
            [answer("x")],
            "entry 2",
            "no usable text: val_q.json entry 2: video 'v' has no usab",
        ),
    ],
)
def test_what_has_no_partner_or_cannot_be_read_is_named(
    rows_of: Callable[[Any, Any], list[Row | BadRow]],
    questions: list[Any],
    answers: list[Any],
    record_id: str,
    reason: str,
) -> None:
    good, bad = rows_of([question("a"), *questions], [answer("a"), *answers])
    assert isinstance(good, Row) and isinstance(bad, BadRow) and bad.record_id == record_id
    assert bad.reason.startswith(reason), bad.reason


def test_files_of_another_form_are_refused(rows_of: Callable[[Any, Any], list[Row | BadRow]]) -> None:
    with pytest.raises(AnnotationError, match=r"val_a\.json: expected a list or object of questions, found str"):
        rows_of([question("a")], "x")


@pytest.mark.parametrize(("split", "num_videos"), [("train", 3200), ("val", 1800), ("test", 800)])
def test_every_published_question_is_kept(published: Path, one_for_all: OneForAll, split: str, num_videos: int) -> None:
    folder = published / "activitynet_qa"
    questions, answers = folder / f"{split}_q.json", folder / f"{split}_a.json"
    media, id_map = one_for_all(f"v_{entry['video_name']}" for entry in json.loads(questions.read_text()))
    rows = [row for row in activitynet_qa.rows(questions, media, answers, id_map) if isinstance(row, Row)]
    assert len(rows) == num_videos and not any(row.dropped for row in rows)
    assert all(len(row.records) == 10 for row in rows)
    records = {record["id"]: record for row in rows for record in row.records}
    types = Counter(record["type"] for record in records.values())
    assert len(records) == 10 * num_videos
    assert types["motion"] == types["spatial"] == types["temporal"] == num_videos
    for entry in json.loads(answers.read_text()):
        record = records[entry["question_id"]]
        assert (record["answer"], record["type"]) == (entry["answer"], activitynet_qa.TYPES[entry["type"]])
