"""Values of scorers: what a column can hold, and which types go together."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shards.base.errors import ConversionError
from tools.scores.values import ColumnKinds, ScoreError, values_of


@pytest.mark.parametrize(
    ("found", "values"),
    [
        (1.5, {"x": 1.5}),
        (np.float32(0.5), {"x": 0.5}),
        (np.int64(7), {"x": 7}),
        (np.bool_(True), {"x": True}),
        (np.array(0.25), {"x": 0.25}),
        ("a text", {"x": "a text"}),
        (None, {"x": None}),
        ({"a": 1, "b": "c"}, {"a": 1, "b": "c"}),
        ({}, {}),
    ],
)
def test_numbers_texts_and_dicts_are_taken(found: Any, values: dict[str, Any]) -> None:
    assert values_of(found, "x") == values


@pytest.mark.parametrize(
    ("found", "reason"),
    [
        (math.nan, "x is nan"),
        (math.inf, "x is inf"),
        (1e300, "no finite number of 32 bits"),
        (1 << 70, "more than 64 bits"),
        ([1.0], "x is a list; give a number"),
        (np.zeros(2), "x is a ndarray"),
        (b"x", "x is a bytes"),
        ("x" * 70_000, "a text of 70000 characters"),
        ("\ud800", "no valid Unicode"),
        ({"shard": 1}, "'shard' is no name of a column"),
        ({"a b": 1}, "'a b' is no name of a column"),
        ({"x\x1b[31m": 1}, "is no name of a column"),
        ({3: 1}, "'3' is no name"),
    ],
)
def test_what_no_column_can_hold_is_refused(found: Any, reason: str) -> None:
    with pytest.raises(ScoreError, match=reason.replace("[", r"\[")):
        values_of(found, "x")


def test_whole_numbers_go_with_others_and_texts_with_none() -> None:
    kinds = ColumnKinds()
    for values in ({"a": None, "b": 1}, {"a": 1, "b": True and 2}, {"a": 0.5, "c": "x"}, {"d": None, "e": False}):
        kinds.note(values, "k")
    schema = kinds.schema()
    found = {field.name: str(field.type) for field in schema}
    expected = {"a": "float", "b": "int64", "c": "string", "d": "float", "e": "bool"}
    assert found == {"shard": "string", "key": "string", **expected}
    with pytest.raises(ConversionError, match=r"column a: k9 gives a value of type str, samples before it gave float"):
        kinds.note({"a": "word"}, "k9")
    with pytest.raises(ConversionError, match="column e: k gives a value of type int"):
        kinds.note({"e": 1}, "k")


@given(st.lists(st.one_of(st.none(), st.integers(-5, 5), st.floats(-1, 1))))
def test_the_type_of_a_column_is_that_of_the_set_of_its_values(values: list[Any]) -> None:
    def kind(values: list[Any]) -> str:
        kinds = ColumnKinds()
        for value in values:
            kinds.note({"x": value}, "k")
        return kinds.kinds.get("x", "none")

    assert kind(values) == kind(values[::-1])
