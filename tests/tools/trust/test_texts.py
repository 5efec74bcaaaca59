"""Figures of texts count what is there, and the hints find what looks wrong."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tools.trust.texts import VERY_LONG, TextFigures


def figures(*texts: str) -> TextFigures:
    made = TextFigures()
    for number, text in enumerate(texts):
        made.add(f"k{number}", [{"caption": text}])
    return made


@settings(max_examples=40, deadline=None)
@given(texts=st.lists(st.text(max_size=20), min_size=1, max_size=30))
def test_counts_are_those_of_the_texts(texts: list[str]) -> None:
    field = figures(*texts).to_dict()["fields"]["caption"]
    assert field["count"] == len(texts) and field["different"] == len(set(texts))
    assert field["repeated"] == len(texts) - len(set(texts))
    assert field["characters"]["max"] == max(map(len, texts))
    assert field["empty"] == sum(not text.strip() for text in texts)
    assert field["most_frequent"]["count"] == max(map(texts.count, texts))


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("", "empty"),
        (" \n\t", "empty"),
        ("x" * (VERY_LONG + 1), "very_long"),
        ("the cafÃ© is open", "mojibake"),
        ("donâ€™t", "mojibake"),
        ("a lost \ufffd character", "mojibake"),
        ("salt &amp; pepper", "mojibake"),
    ],
)
def test_a_hint_names_what_looks_wrong(text: str, hint: str) -> None:
    field = figures("fine", text).to_dict()["fields"]["caption"]
    hints = {name: field[name] for name in ("empty", "very_long", "mojibake")}
    assert hints == {**dict.fromkeys(hints, 0), hint: 1}


@pytest.mark.parametrize("text", ["São Paulo, SÃO", "naïve café", "日本語の字幕", "Q&A & more", "€ 5", "ÂME"])
def test_letters_of_any_language_are_no_hint(text: str) -> None:
    assert figures(text).to_dict()["fields"]["caption"]["mojibake"] == 0


def test_questions_have_types_answers_and_words() -> None:
    made = TextFigures()
    made.add(
        "a", [{"question": "What is it?", "answer": "A dog", "type": "what"}, {"question": "Is it?", "answer": "yes"}]
    )
    made.refuse("b", "json cannot be read")
    found = made.to_dict()
    assert found["types"] == {"what": 1} and found["vocabulary"] == 6
    assert set(found["fields"]) == {"question", "answer"} and found["records_per_sample"]["max"] == 2
    assert found["num_samples"] == 2 and found["unreadable"] == 1
    assert found["examples"]["unreadable"] == ["b: json cannot be read"]


def test_a_text_called_other_is_the_most_frequent() -> None:
    most = figures("other", "other", "a", "b").to_dict()["fields"]["caption"]["most_frequent"]
    assert most == {"text": "other", "count": 2, "share": 0.5}
