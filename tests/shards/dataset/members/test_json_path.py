"""A path leads to what the json holds there, and text is found where a path leads."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shards.dataset.members.json_path import look_up, with_text

FIELDS = {
    "a": {"b": {"c": 1}},
    "a.b": "with a dot",
    "list": [{"x": "p"}, {"y": 1}, {"x": "q"}],
    "texts": ["r", "s"],
    "none": None,
}


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("a", {"b": {"c": 1}}),
        ("a.b", "with a dot"),
        ("a.b.c", 1),
        ("list.x", ["p", None, "q"]),
        ("list.1.y", 1),
        ("list.7.y", None),
        ("list.z", None),
        ("texts.1", "s"),
        ("texts.999999999999", None),
        ("none.x", None),
        ("no", None),
    ],
)
def test_dots_lead_into_objects_and_lists(path: str, value: object) -> None:
    assert look_up(FIELDS, path) == value


def test_the_fields_with_the_most_words_come_first() -> None:
    fields = {"url": "http://x", "n": 3, "sentences": [{"raw": "a cat", "id": 1}, {"raw": "two cats"}], "alt": "a b c"}
    assert with_text(fields, 9) == ["sentences.raw", "alt", "url"]
    assert with_text({"x" * 1000: "a b c d"}, 9) == []
    assert with_text(fields, 1) == ["sentences.raw"]


names = st.text("abc", min_size=1, max_size=3)
values = st.recursive(
    st.none() | st.integers() | st.text("ab ", max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
    max_leaves=10,
)


@given(st.dictionaries(names, values, max_size=4))
def test_what_is_named_is_found(fields: dict[str, object]) -> None:
    for path in with_text(fields, 100):
        assert look_up(fields, path) is not None
