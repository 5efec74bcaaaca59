"""Questions by id in LAVENDER's forms, and an account of those that nobody asked for."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tools.containers.questions_by_id import QuestionsById, holds_questions
from tools.questions import CAPTION_QUESTION
from tools.rows import OptionError

OPTIONS = {f"option_{n}": f"choice {n}" for n in range(5)}


def write(folder: Path, value: Any) -> Path:
    path = folder / "txt_set.json"
    path.write_text(json.dumps(value))
    return path


@pytest.mark.parametrize(
    ("entry", "more", "record"),
    [
        (
            {"question": "What is it?", "answer": 3, "answer_text": "a cat"},
            {},
            {"question": "What is it?", "answer": "a cat", "type": "what"},
        ),
        (
            {"question": "who ?", "answer": 1},
            {"vocab": ["a", "b"]},
            {"question": "who ?", "answer": "b", "type": "who"},
        ),
        (
            {"question": "A [MASK] runs.", "answer": 0},
            {"ans2label": {"cat": 0}},
            {"question": "A [MASK] runs.", "answer": "cat", "type": "blank"},
        ),
        (
            {"question": "how ?", "answer": 2, **OPTIONS},
            {},
            {"question": "how ?", "answer": "choice 2", "type": "choice", "choices": [*OPTIONS.values()]},
        ),
        (
            {"answer": 4, **OPTIONS},
            {},
            {"question": CAPTION_QUESTION, "answer": "choice 4", "type": "caption", "answer_index": 4},
        ),
    ],
)
def test_every_form_gives_the_records_of_the_question_sets(
    tmp_path: Path, entry: dict[str, Any], more: dict[str, Any], record: dict[str, Any]
) -> None:
    path = write(tmp_path, {"train": [{"video": "x", **entry}], "test": [{"video": "v", **entry}], **more})
    assert holds_questions(path)
    questions = QuestionsById(path, "test")
    found = questions.records("v")
    assert found is not None and len(found[0]) == 1 and not found[1]
    assert {name: found[0][0][name] for name in record} == record and found[0][0]["id"] == "test-1"
    assert questions.is_elsewhere("x") and not questions.is_elsewhere("v") and not questions.is_elsewhere("y")
    assert questions.records("x") is None and len(questions) == 1 and not list(questions.left(tmp_path))
    assert questions.none_for("x") == "id 'x' has no question in txt_set.json; check --split, or accept the loss"


def test_captions_are_no_questions(tmp_path: Path) -> None:
    for value in (
        {"train": [{"video": "a", "caption": "x"}]},
        {"train": {"a": ["x"]}},
        [{"video": "a"}],
        {"train": []},
    ):
        assert not holds_questions(write(tmp_path, value))
    (tmp_path / "a.tsv").write_text("a\t[]\n")
    assert not holds_questions(tmp_path / "a.tsv")


def test_what_cannot_be_used_or_is_left_is_said_with_its_place(tmp_path: Path) -> None:
    entries = [
        {"video": "a", "question": "what ?", "answer": "x"},
        {"video": "a", "question": " ", "answer": "x"},
        {"question": "what ?", "answer": "x"},
        {"video": "b", "question": "what ?", "answer": 7},
        {"video": "b", "answer": 9, **OPTIONS},
        {"video": "c", "question": ["q"], "answer": "x"},
        3,
        {"video": "d", "question": "what ?", "answer": "x"},
    ]
    questions = QuestionsById(write(tmp_path, {"val": entries}), "val")
    found = questions.records("a")
    assert found is not None and len(found[0]) == 1 and found[1] == ("val entry 2: question empty",)
    reasons = [row.reason for row in questions.left(Path("set.tsv"))]
    assert [reason.split(": ", 2)[1] for reason in reasons] == [
        f"txt_set.json {place}" for place in (*(f"val entry {n}" for n in (3, 4, 5, 6, 7)), "id 'd'")
    ]
    with pytest.raises(OptionError, match=r"has no split 'test'"):
        QuestionsById(write(tmp_path, {"val": entries}), "test")
