"""What tasks share: texts of records."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mcg.tasks.task import label_of, text_of
from shards.dataset.members.plain_text import TextError
from shards.dataset.members.records import parse_texts


@pytest.mark.parametrize(
    ("record", "expected"), [({"a": " red "}, "red"), ({"a": None}, ""), ({}, ""), ({"a": " \n"}, "")]
)
def test_a_missing_or_null_text_is_empty(record: dict[str, object], expected: str) -> None:
    assert text_of(record, "a") == label_of(record, "a") == expected


@pytest.mark.parametrize("value", [["a", "b"], {"en": "x"}, True, "a\ud800b"])
def test_the_spelling_of_what_is_no_text_is_not_trained_on(value: object) -> None:
    assert text_of({"a": value}, "a") == label_of({"a": value}, "a") == ""


texts = st.sampled_from([None, "", " ", "a cat", "\u200b", "a\ud800", True, 3, float("nan"), {"en": "x"}])
values = st.recursive(texts, lambda inner: st.lists(inner, max_size=3) | st.fixed_dictionaries({"caption": inner}))
fields = st.dictionaries(st.sampled_from(["caption", "captions", "text", "question", "conversations", "n"]), values)
jsons = st.none() | values | fields | st.lists(fields, max_size=2).map(lambda records: {"records": records})


@settings(max_examples=300)
@given(jsons, st.sampled_from([None, b"", b" ", b"a dog", "\u200b".encode(), b"\xff", "a dog".encode("utf-16")]))
def test_what_an_index_counts_as_good_is_text_for_a_task(content: object, txt: bytes | None) -> None:
    text = None if content is None else json.dumps(content).encode()
    try:
        records = parse_texts(text, txt).records
    except TextError:
        return
    for record in records:
        assert text_of(record, "caption") or text_of(record, "question"), (content, txt)
        assert record.get("caption") is None or isinstance(record["caption"], str)


def test_an_answer_or_a_name_may_be_a_number() -> None:
    assert label_of({"a": 2}, "a") == "2" and text_of({"a": 2}, "a") == ""
