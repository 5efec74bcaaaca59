"""Columns are those of the options, else of well-known names; what is not there is listed."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools.containers.columns import Columns, choose_columns, left_out, refuse_pickled
from tools.rows import OptionError

HERE = Path("set")


def test_well_known_names_in_any_case_are_taken_in_their_order() -> None:
    assert choose_columns(["url", "JPG", "Caption", "Key"], HERE, None, None) == Columns("JPG", "Caption", "Key")
    assert choose_columns(["path", "text"], HERE, None, None) == Columns("path", "text", None)
    assert choose_columns(["image", "n"], HERE, None, None, texts_beside=True) == Columns("image", "caption", None)


def test_options_go_first_and_may_lead_inside() -> None:
    names = ["image", "json", "caption", "a"]
    assert choose_columns(names, HERE, "a", "json.caption", "json.id") == Columns("a", "json.caption", "json.id")


def test_what_is_not_there_is_listed() -> None:
    with pytest.raises(OptionError, match=r"set: --id-column key: no such column; it has image, text"):
        choose_columns(["image", "text"], HERE, None, None, "key")
    with pytest.raises(
        OptionError, match=r"set: cannot tell which column it is; say it with --text-column: it has image"
    ):
        choose_columns(["image"], HERE, None, None)
    assert left_out(" a, b,", ["a", "b", "c"], HERE) == {"a", "b"} and left_out(None, [], HERE) == frozenset()
    refuse_pickled([], HERE)
