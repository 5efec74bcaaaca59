"""Which records a sample has follows from its texts alone; hostile text gives records or a reason."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shards.records import Chosen, TextError, Texts, choose, parse

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
    max_leaves=8,
)


def as_json(value: object) -> bytes:
    return json.dumps(value).encode()


def test_a_list_of_records_is_ours_and_the_rest_is_meta() -> None:
    text = as_json({"records": [{"caption": "a"}, {"question": "b"}], "source": 7})
    assert parse(text, None) == Texts([{"caption": "a"}, {"question": "b"}], {"source": 7})
    assert parse(text, b"a stray txt") == parse(text, None)


@pytest.mark.parametrize(
    ("fields", "txt", "record"),
    [
        ({"url": "u", "caption": "json says"}, b"txt says", {"url": "u", "caption": "json says"}),
        ({"url": "u"}, b" txt says\n", {"url": "u", "caption": "txt says"}),
        ({"url": "u", "caption": None}, b"txt says", {"url": "u", "caption": "txt says"}),
        ({"url": "u"}, b" \n", {"url": "u"}),
        ({"url": "u"}, None, {"url": "u"}),
        (None, "\ufeffcafé".encode(), {"caption": "café"}),
        ({}, b"txt says", {"caption": "txt says"}),
    ],
)
def test_a_foreign_sample_has_one_record_of_all_fields_and_the_caption(
    fields: dict[str, object] | None, txt: bytes | None, record: dict[str, object]
) -> None:
    assert parse(None if fields is None else as_json(fields), txt) == Texts([record], {})


@pytest.mark.parametrize(
    ("text", "txt", "reason"),
    [
        (b"{}", None, "has no text: neither a field in json nor a caption in txt"),
        (None, b" ", "has no text"),
        (None, b"\xff", "txt is not utf-8"),
        (b"[1]", b"caption", "json should be an object .*; it is a list"),
        (b'{"records": 3}', b"caption", "a list of objects under 'records'"),
        (b'{"records": [3]}', b"caption", "a list of objects under 'records'"),
        (b'{"a": NaN}', b"caption", "NaN is no json"),
        (b'{"a": [-Infinity]}', None, r"json cannot be read \(-Infinity is no json\)"),
        (b'{"a": {"b": -1e999}}', None, r"json cannot be read \(the number -1e999 is beyond what a float holds\)"),
        (b'{"records": [{"a": ' + b"9" * 400 + b".5}]}", None, r"the number 9{40} is beyond what a float holds"),
        (b'{"a": ' + b"9" * 9000 + b"}", None, "json cannot be read"),
        (b"[" * 300_000, None, "json cannot be read"),
    ],
)
def test_text_that_is_none_is_refused_with_the_reason(text: bytes | None, txt: bytes | None, reason: str) -> None:
    with pytest.raises(TextError, match=reason):
        parse(text, txt)


@settings(max_examples=150)
@given(st.none() | st.binary(max_size=30) | values.map(as_json), st.none() | st.binary(max_size=20))
def test_any_bytes_give_objects_or_a_reason(text: bytes | None, txt: bytes | None) -> None:
    try:
        records, meta = parse(text, txt)
    except TextError:
        return
    assert all(isinstance(record, dict) for record in records) and isinstance(meta, dict)


def test_numbers_stay_what_they_are() -> None:
    text = b'{"a": 1.5, "b": 1e308, "c": 1e-999, "d": 123456789012345678901234567890}'
    assert parse(text, None).records == [{"a": 1.5, "b": 1e308, "c": 0.0, "d": 123456789012345678901234567890}]


def test_the_first_medium_and_the_texts_are_chosen_whatever_lies_around() -> None:
    assert choose(["cls", "json", "mp4", "jpg", "txt", "json"]) == Chosen(2, 1, 4)
    assert choose(["jpg", "txt"]) == Chosen(0, None, 1)
    with pytest.raises(TextError, match=r"needs a medium and a json or txt, has left\.jpg, json"):
        choose(["left.jpg", "json"])
    with pytest.raises(TextError, match="needs a medium and a json or txt, has jpg"):
        choose(["jpg"])
