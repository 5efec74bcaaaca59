"""Numbers that json does not have are told, and become null where nobody needs them."""

from __future__ import annotations

import pytest

from shards.dataset.members.odd_numbers import load_odd, without_nan
from shards.dataset.members.records import parse_texts


@pytest.mark.parametrize(
    ("text", "remark"),
    [
        ("[1, NaN, 1e999]", "NaN is no json"),
        ("[1e999, NaN]", "the number 1e999 is beyond what a float holds"),
        ('{"a": [1.5, -7]}', None),
    ],
)
def test_the_remark_names_the_first_of_such_numbers(text: str, remark: str | None) -> None:
    content, found = load_odd(text)
    assert found == remark and (without_nan(content) == content) == (remark is None)


@pytest.mark.parametrize("number", [b"NaN", b"Infinity", b"-Infinity", b"1e999", b"-" + b"9" * 400 + b".5"])
def test_a_number_that_json_does_not_have_costs_nothing_where_it_is_not_used(number: bytes) -> None:
    found = parse_texts(b'{"similarity": %b, "deep": [{"a": %b}, 1]}' % (number, number), b"x")
    assert found.records == [{"similarity": None, "deep": [{"a": None}, 1], "caption": "x"}]
    assert len(found.notes) == 1 and "read as null" in found.notes[0]
    ours = parse_texts(b'{"records": [{"caption": "a"}], "score": %b}' % number, None)
    assert ours.records == [{"caption": "a"}] and ours.meta == {"score": None} and len(ours.notes) == 1
