"""Fields of a record are read as what they mean, or the record is refused with the reason."""

from __future__ import annotations

from typing import Any

import pytest

from tools.record import BadLine, Record


def test_the_first_of_the_names_that_has_a_value_counts() -> None:
    record = Record("line 1", {"id": None, "qid": 7, "text": None})
    assert (record.value(("id", "qid")), record.value(("text",)), record.value(("no",))) == (7, None, None)
    assert record.id(("id", "qid")) == "7" and record.text("text") is None


@pytest.mark.parametrize("value", [None, True, " ", 1.5, []])
def test_what_is_no_identifier_is_refused(value: Any) -> None:
    with pytest.raises(BadLine, match="no video; it has video, answer"):
        Record("line 1", {"video": value, "answer": "a"}).id(("video",))


def test_what_is_no_text_is_refused() -> None:
    record = Record("line 1", {"question": ["what"], "answer": 3})
    with pytest.raises(BadLine, match=r"question must be a text, found list \['what'\]$"):
        record.text("question")
    with pytest.raises(BadLine, match="answer must be a text, found int 3; labels are not answers"):
        record.text("answer")
    with pytest.raises(BadLine, match="no 'type'; it has question, answer"):
        record.text("type")


def test_a_list_of_texts_has_its_number_and_texts_only() -> None:
    record = Record("line 1", {"options": ["a", None], "caption": ["a", 2]})
    assert record.texts("options", 2) == ("a", None)
    with pytest.raises(BadLine, match=r"options must be a list of 3 texts, found \['a', None\]"):
        record.texts("options", 3)
    with pytest.raises(BadLine, match="caption 1 must be a text, found int 2"):
        record.texts("caption", 2)


@pytest.mark.parametrize(("answer", "index"), [("1", 1), (" 0", 0), (2, 2), ("sit down", 1), ("run", 2)])
def test_the_right_choice_is_a_number_or_the_text(answer: Any, index: int) -> None:
    assert Record("line 1", {"answer": answer}).right_choice(["jump", "sit down", "run"]) == index


@pytest.mark.parametrize("answer", ["3", -1, 3, True, None, "walk", "jump", "9" * 5000, 1.0])
def test_what_names_no_choice_or_two_is_refused(answer: Any) -> None:
    with pytest.raises(BadLine, match=r"answer .* (is not the number of a choice, 0 to 2|nor the text of just one)"):
        Record("line 1", {"answer": answer}).right_choice(["jump", "jump", "run"])
