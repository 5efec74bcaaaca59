"""Columns of side tables in expressions: their kinds are checked as those of the index are."""

from __future__ import annotations

import ast

import pytest

from shards.base.errors import WhereError
from shards.select.where_check import Scope, check

SIDE = {"motion": "number", "label": "string", "flag": "truth", "day": "date32[day]"}


def kind_of(text: str) -> str:
    return check(ast.parse(text, mode="eval").body, Scope(text, SIDE))


@pytest.mark.parametrize(
    "text",
    ["motion > duration", "flag", "not flag and label == 'x'", "flag == 1 or 0 < flag + flag", "label in ('a', 'b')"],
)
def test_columns_of_all_kinds_are_conditions(text: str) -> None:
    assert kind_of(text) == "truth"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("label > 1", "the right side takes a string, '1' is a number"),
        ("flag == 'x'", "the right side takes a number, \"'x'\" is a string"),
        ("motion and flag", "and takes a truth, 'motion' is a number"),
        ("day > 3", r"'day' of a side table holds date32\[day\]; numbers, texts and true or false can be compared"),
        ("(flag and flag) == 1", "which is true or false already"),
        (
            "motoin > 1",
            r"neither the index nor a side table has a column 'motoin'; did you mean 'motion'\? .*: motion, label",
        ),
    ],
)
def test_what_does_not_fit_is_refused(text: str, message: str) -> None:
    with pytest.raises(WhereError, match=message):
        kind_of(text)


def test_very_many_columns_do_not_fill_the_screen() -> None:
    with pytest.raises(WhereError, match=r"of side tables: c0, c1, .*, c29 and 970 more") as caught:
        check(ast.parse("x > 1", mode="eval").body, Scope("x > 1", {f"c{i}": "number" for i in range(1000)}))
    assert len(str(caught.value)) < 800
