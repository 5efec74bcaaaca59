"""Which records a sample has follows from its texts alone; hostile text gives records or a reason."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shards.dataset.members.plain_text import TextError
from shards.dataset.members.records import Texts, parse_meta, parse_texts
from shards.dataset.members.rules import UNWRITTEN, MemberRules

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
    max_leaves=8,
)


def as_json(value: object) -> bytes:
    return json.dumps(value).encode()


def test_a_list_of_records_is_ours_and_the_rest_is_meta() -> None:
    text = as_json({"records": [{"caption": "a"}, {"question": "b"}], "source": 7})
    assert parse_texts(text, None) == Texts([{"caption": "a"}, {"question": "b"}], {"source": 7})
    assert parse_texts(text, b"a stray txt") == parse_texts(text, None)


def test_the_meta_alone_is_that_of_the_texts_and_none_where_they_cannot_be_read() -> None:
    own = as_json({"records": [{"caption": "a"}], "source": 7})
    odd = b'{"records": [{"caption": "a"}], "source": NaN}'
    for text in (own, odd, as_json({"caption": "a", "url": "u"}), as_json(["a", "b"])):
        assert parse_meta(text, MemberRules()) == parse_texts(text, None).meta
    for text in (None, b"{", b"[" * 9999, as_json({"records": None}), as_json({"url": "u"}), b"7"):
        assert parse_meta(text, MemberRules()) == {}
    assert parse_meta(as_json({"records": [], "source": 7}), MemberRules()) == {"source": 7}


@pytest.mark.parametrize(
    ("fields", "txt", "record"),
    [
        ({"url": "u", "caption": "json says"}, b"txt says", {"url": "u", "caption": "json says"}),
        ({"url": "u"}, b" txt says\n", {"url": "u", "caption": "txt says"}),
        ({"url": "u", "caption": None}, b"txt says", {"url": "u", "caption": "txt says"}),
        ({"url": "u", "caption": ""}, b"txt says", {"url": "u", "caption": "txt says"}),
        ({"url": "u", "caption": "\u200b"}, b"txt says", {"url": "u", "caption": "txt says"}),
        ({"url": "u", "caption": "\U0001f642"}, b"txt says", {"url": "u", "caption": "\U0001f642"}),
        ({"url": "u", "caption": " "}, b"txt says", {"url": "u", "caption": "txt says"}),
        (
            {"text": "not asked", "captions": 3},
            b"txt says",
            {"text": "not asked", "captions": 3, "caption": "txt says"},
        ),
        ({"text": "json says", "captions": {}}, b" ", {"text": "json says", "captions": {}, "caption": "json says"}),
        ({"caption": "a", "records": None}, None, {"caption": "a", "records": None}),
        ({"question": "q?", "answer": 2}, None, {"question": "q?", "answer": 2}),
        (None, "\ufeffcafé".encode(), {"caption": "café"}),
        ({}, b"txt says", {"caption": "txt says"}),
    ],
)
def test_a_foreign_sample_has_one_record_of_all_fields_and_the_caption(
    fields: dict[str, object] | None, txt: bytes | None, record: dict[str, object]
) -> None:
    assert parse_texts(None if fields is None else as_json(fields), txt) == Texts([record], {})


@pytest.mark.parametrize(
    ("text", "txt", "reason"),
    [
        (b"{}", None, "has no text: there is no other text member"),
        (None, b" ", "has no text"),
        (None, b"\xff", "txt is not utf-8"),
        (b"[1]", b"caption", "json should be an object .*; it is a list"),
        (b'{"records": 3}', b"caption", "a list of objects under 'records'"),
        (b'{"records": [3]}', b"caption", "a list of objects under 'records'"),
        (b'{"records": [{"caption": "a", "b": NaN}]}', None, r"json cannot be read \(NaN is no json\)"),
        (
            b'{"records": [{"caption": "a", "b": [' + b"9" * 400 + b".5]}]}",
            None,
            r"the number 9{40} is beyond what a float holds",
        ),
        (b'{"records": [{"caption": ["a"]}]}', None, r"records\[0\]: caption is a list, not a text"),
        (b'{"records": [{"caption": "a"}, {"n": 1}]}', None, r"records\[1\] has no text .*--text-field ''"),
        (b'{"caption": NaN}', b"caption", "caption is NaN or an infinity, not a text"),
        (b'{"a": NaN}', None, "has no text: .*it has a; name another member with --text-members"),
        (b'{"caption": true}', b"caption", "caption is true, not a text"),
        (b'{"caption": 3}', None, "caption is a number, not a text"),
        (b'{"caption": {"en": "x", "de": "y"}}', b"caption", "caption is an object.*--text-field caption.en"),
        (b'{"caption": "a\\ud800b"}', b"x", "caption holds half of a character"),
        (b'{"captions": ["a", "\\udc00"]}', None, r"captions\[1\] holds half of a character"),
        (b'{"records": [{"caption": "\\ud800"}]}', None, r"records\[0\]: caption holds half of a character"),
        ('{"caption": "\u200b\ufeff"}'.encode(), b"\xe2\x80\x8b", "has no text"),
        (b'{"caption": ["a", 7]}', None, r"caption\[1\] is a number"),
        (b'{"caption": ["a", ["b"]]}', None, r"caption\[1\] is a list"),
        (b'{"captions": [{"en": "a"}]}', None, r"captions\[0\] is an object.*--text-field captions.en"),
        (
            b'{"url": "u", "alt": "a picture"}',
            b" ",
            r"empty; name the field that does: --text-field alt \(or url\)",
        ),
        (b'["a", 3]', None, "json should be an object .*; it is a list"),
        (b'"a"', None, "json should be an object .*; it is a str"),
        (b'{"a": ' + b"9" * 9000 + b"}", None, "json cannot be read"),
        (b"[" * 300_000, None, "json cannot be read"),
    ],
)
def test_text_that_is_none_is_refused_with_the_reason(text: bytes | None, txt: bytes | None, reason: str) -> None:
    with pytest.raises(TextError, match=reason):
        parse_texts(text, txt)


@settings(max_examples=150)
@given(st.none() | st.binary(max_size=30) | values.map(as_json), st.none() | st.binary(max_size=20))
def test_any_bytes_give_objects_or_a_reason(text: bytes | None, txt: bytes | None) -> None:
    try:
        records, meta, _ = parse_texts(text, txt)
    except TextError:
        return
    assert all(isinstance(record, dict) for record in records) and isinstance(meta, dict)


def test_numbers_stay_what_they_are() -> None:
    text = b'{"a": 1.5, "b": 1e308, "c": 1e-999, "d": 123456789012345678901234567890}'
    numbers = {"a": 1.5, "b": 1e308, "c": 0.0, "d": 123456789012345678901234567890}
    assert parse_texts(text, b"x").records == [{**numbers, "caption": "x"}]


@pytest.mark.parametrize("depth", [400, 700, 900, 950, 980, 5_000])
@pytest.mark.parametrize(
    "text",
    [
        b'{"caption": "a", "b": %b}',
        b'{"records": [{"caption": "a", "b": %b}]}',
        b'{"a": {"b": %b}}',
        b'{"caption": %b}',
    ],
)
def test_nesting_cannot_overflow_the_stack(depth: int, text: bytes) -> None:
    for inside in (b"NaN", b'"x"', b'{"b": 1}'):
        for rules in (MemberRules(), MemberRules(text_field=("a.b.c.d",)), UNWRITTEN):
            try:
                found = parse_texts(text % (b"[" * depth + inside + b"]" * depth), None, rules).records
            except TextError:
                continue
            assert found


@pytest.mark.parametrize(
    ("fields", "captions"),
    [
        ({"caption": ["a", "b"]}, ["a", "b"]),
        ({"caption": ["a", "", None, " "]}, ["a"]),
        ({"captions": ["a", "b", "c"]}, ["a", "b", "c"]),
        ({"captions": [{"caption": "a", "start": 1}, {"text": "b"}]}, ["a", "b"]),
        ({"text": ["a"]}, ["a"]),
        (["a", "b"], ["a", "b"]),
        ([{"caption": "a"}, {"caption": "b"}], ["a", "b"]),
    ],
)
def test_a_list_of_captions_is_as_many_records(fields: object, captions: list[str]) -> None:
    assert [record["caption"] for record in parse_texts(as_json(fields), None).records] == captions


def test_the_other_fields_belong_to_every_record_and_the_list_to_none() -> None:
    fields = {"url": "u", "captions": [{"caption": "a", "start": 1}, "b"]}
    assert parse_texts(as_json(fields), None).records == [
        {"url": "u", "caption": "a", "start": 1},
        {"url": "u", "caption": "b"},
    ]


def test_empty_lists_of_captions_leave_the_word_to_the_txt() -> None:
    assert parse_texts(as_json({"caption": []}), b"x").records == [{"caption": "x"}]
    with pytest.raises(TextError, match="has no text"):
        parse_texts(as_json({"caption": [""], "captions": [None]}), None)


@pytest.mark.parametrize(
    ("field", "fields", "captions"),
    [
        ("alt", {"alt": "a", "caption": "not this"}, ["a"]),
        ("no.such, alt", {"alt": "a"}, ["a"]),
        ("captions.en", {"captions": {"en": ["a", "b"], "de": ["c"]}}, ["a", "b"]),
        ("captions.1", {"captions": ["a", "b"]}, ["b"]),
        ("sentences.raw", {"sentences": [{"raw": "a", "tokens": ["a"]}, {"raw": "b"}]}, ["a", "b"]),
        ("a.b", {"a.b": "with a dot in its name", "a": {"b": "not this"}}, ["with a dot in its name"]),
        ("alt", {"caption": "not this"}, ["txt"]),
        ("llava.conversations", {"llava": {"conversations": [{"from": "gpt", "value": "a"}]}}, ["a"]),
    ],
)
def test_the_fields_that_hold_the_text_can_be_named(field: str, fields: dict[str, object], captions: list[str]) -> None:
    rules = MemberRules(text_field=field)
    assert [record["caption"] for record in parse_texts(as_json(fields), b"txt", rules).records] == captions


def test_a_member_that_is_named_before_the_json_counts_before_its_fields() -> None:
    fields = as_json({"caption": "json", "alt": "alt"})
    for rules in (MemberRules(text_members="txt,json"), MemberRules(text_members="txt,json", text_field="alt")):
        assert parse_texts(fields, b"txt", rules).records[0]["caption"] == "txt"
        assert parse_texts(fields, b" ", rules).records[0]["caption"] in ("json", "alt")


def test_a_named_field_that_holds_no_text_is_a_reason_even_beside_a_txt() -> None:
    with pytest.raises(TextError, match="alt is a number"):
        parse_texts(as_json({"alt": 3}), b"txt", MemberRules(text_field=("alt",)))


def test_with_no_field_named_the_fields_are_the_record_as_they_are() -> None:
    rules = MemberRules(text_field="")
    assert rules.text_field == ()
    for case in ({"label": 3}, {"caption": ["a"]}, {"caption": {"en": "x"}}, {"records": 3, "x": 1}):
        if "records" in case:
            with pytest.raises(TextError, match="'records'"):
                parse_texts(as_json(case), None, rules)
        else:
            assert parse_texts(as_json(case), None, rules).records == [case]
            for txt in (None, b"x"):
                expected = case if "caption" in case or txt is None else {**case, "caption": "x"}
                assert parse_texts(as_json(case), txt, UNWRITTEN).records == [expected]
    assert parse_texts(as_json({"records": [{"n": 1}]}), None, rules).records == [{"n": 1}]


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be"]
)
def test_json_is_read_in_every_encoding_that_json_may_have(encoding: str) -> None:
    text = json.dumps({"caption": "café 中文"}, ensure_ascii=False).encode(encoding)
    assert parse_texts(text, None).records == [{"caption": "café 中文"}]
