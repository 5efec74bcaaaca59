"""Lists of answers from every kind of file, from the records of a dataset, and what is wrong with some."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mcg.answering.answer_list import AnswerListError, read_answers
from tests.mcg.small_questions import write_questions


def _write(tmp_path: Path, name: str, content: object) -> str:
    file = tmp_path / name
    file.write_text(content if isinstance(content, str) else json.dumps(content))
    return str(file)


def test_every_form_gives_the_same_list(tmp_path: Path) -> None:
    places = [
        _write(tmp_path, "a.json", {"two": 1, "one": 0, "playing guitar": 2}),
        _write(tmp_path, "b.json", {"two": "1", "one": "0", "playing guitar": "2"}),
        _write(tmp_path, "c.json", ["one", "two", "playing guitar"]),
        _write(tmp_path, "d.txt", "one\n two \n\nplaying guitar\n"),
    ]
    for place in places:
        assert read_answers(place) == ("one", "two", "playing guitar")
        assert read_answers(place, 2) == ("one", "two")


def test_a_dataset_gives_its_answers_commonest_first(tmp_path: Path) -> None:
    folder = write_questions(tmp_path / "gray", num_samples=7)  # red 4, blue 3, green 3
    assert read_answers(str(folder)) == ("red", "blue", "green")
    assert read_answers(str(folder), 1) == ("red",)


def test_the_published_list_of_msrvtt_qa_has_1500_answers(annotations: Path) -> None:
    assert len(read_answers(str(annotations / "msrvtt_qa" / "train_ans2label.json"))) == 1500


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.json", {"one": 0, "two": 2}, r"a\.json: expected a list of answers, or an object of answers with the num"),
        ("a.json", {"one": 1, "two": 1}, "expected a list of answers"),
        ("a.json", {"one": [0]}, "expected a list of answers"),
        ("a.json", [1, 2], "expected a list of answers"),
        ("a.json", "{", r"a\.json: not readable: "),
        ("a.json", [], r"a\.json: it holds no answer"),
        ("a.json", ["one", " "], r"a\.json: answer number 1 is empty"),
        ("a.txt", "one\ntwo\none\n", r"a\.txt: 'one' stands there twice"),
    ],
)
def test_a_list_that_cannot_be_used_is_named(tmp_path: Path, name: str, content: object, message: str) -> None:
    with pytest.raises(AnswerListError, match=rf"^task\.answer_list: .*{message}"):
        read_answers(_write(tmp_path, name, content))


def test_a_missing_list_says_what_may_stand_there(tmp_path: Path) -> None:
    with pytest.raises(AnswerListError, match=r"^task\.answer_list: no file or dataset .*nope\.json; name a \.json or"):
        read_answers(str(tmp_path / "nope.json"))
