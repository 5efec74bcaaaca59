"""JSON from anywhere costs a bounded amount of memory and is never too deep for whoever reads it."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shards.base.json_text import MAX_DEPTH, MAX_VALUES, load_json
from tests.shards.test_safety import little_memory

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(st.sampled_from('[]{}",\\aé')),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.sampled_from('[{"\\')), inner),
)


@given(VALUES)
def test_what_is_harmless_is_loaded(value: object) -> None:
    text = json.dumps(value, ensure_ascii=False)
    assert load_json(text) == load_json(text.encode()) == load_json(text.encode("utf-16")) == value


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[" * 3000 + "]" * 3000, "is nested more than 100 deep"),
        ('{"a":' * 3000 + "1" + "}" * 3000, "is nested more than 100 deep"),
        ("[" * 100_000, "is nested more than 100 deep"),
        ("[" + "[]," * MAX_VALUES + "1]", f"holds more than {MAX_VALUES} values"),
        ("1" + "0" * 100_000, "4300"),
        ("no", "Expecting value"),
        ('{"a": 1', "Expecting"),
        ("x" * ((1 << 25) + 1), "the limit is 33554432"),
        (b"\xff\xfe\x00\xd8", "decode|Expecting|surrogate"),
    ],
)
def test_what_is_too_much_is_told(text: str | bytes, reason: str) -> None:
    with little_memory(), pytest.raises(ValueError, match=reason):
        load_json(text)


def test_brackets_in_texts_are_no_depth() -> None:
    value = ["[{" * 500, "\\", '"' + "[" * 500, {"[" * 200: '\\"[[['}]
    assert load_json(json.dumps(value)) == value
    deep = "[" * MAX_DEPTH + "]" * MAX_DEPTH
    assert load_json(deep) == json.loads(deep)


def test_a_caller_may_allow_other_sizes() -> None:
    assert load_json("[1, 2, 3]", max_values=3) == [1, 2, 3]
    with pytest.raises(ValueError, match="holds more than 2 values"):
        load_json("[1, 2, 3]", max_values=2)
