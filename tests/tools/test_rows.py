"""Keys, captions and rows keep the rules that every dataset relies on."""

from __future__ import annotations

import operator
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tools.rows import MALFORMED, BadRow, CountedRows, Row, caption_records, make_key, text_flaw


@given(st.text())
def test_a_key_keeps_the_webdataset_rule_and_is_its_own_key(identifier: str) -> None:
    key = make_key(identifier)
    assert re.fullmatch(r"[A-Za-z0-9-][A-Za-z0-9_-]{0,79}", key)
    assert make_key(key) == key


@given(st.lists(st.text(alphabet="ab./_ é", max_size=6), unique=True, max_size=50))
def test_different_identifiers_get_different_keys(identifiers: list[str]) -> None:
    assert len({make_key(identifier) for identifier in identifiers}) == len(identifiers)


def test_plain_identifiers_are_their_own_keys() -> None:
    for identifier in ("1053841541", "-4wsuPCjDBc_5_15", "video6513", "000000012"):
        assert make_key(identifier) == identifier


def test_no_key_starts_with_an_underscore_which_webdataset_drops() -> None:
    assert make_key("_0abc").startswith("k_0abc-")


def test_long_identifiers_are_cut_and_told_apart() -> None:
    first, second = make_key("x" * 300 + "1"), make_key("x" * 300 + "2")
    assert first != second and len(first) == len(second) == 80


def test_captions_are_kept_verbatim_and_empty_ones_are_listed() -> None:
    records, dropped = caption_records([" two\nlines, a\ttab ", "", "   ", None, 7, "schön 🚲"])
    assert [record["caption"] for record in records] == [" two\nlines, a\ttab ", "schön 🚲"]
    assert dropped == (
        "caption 2 of 6: empty",
        "caption 3 of 6: empty",
        "caption 4 of 6: empty",
        "caption 5 of 6: not a text but int '7'",
    )


def test_broken_utf8_is_a_flaw() -> None:
    assert text_flaw(b"caf\xe9".decode("utf-8", "surrogateescape")) == "not valid UTF-8"
    assert text_flaw("café") == ""


def test_a_bad_row_names_reason_file_and_place() -> None:
    assert BadRow.at("line 3", "/x/a.csv", MALFORMED, "why") == BadRow("line 3", "malformed line: a.csv line 3: why")


def test_a_row_needs_one_medium_and_a_legal_key() -> None:
    with pytest.raises(AssertionError, match="one of media_path and media"):
        Row("line 1", "k", ())
    with pytest.raises(AssertionError, match="media bytes need an ext"):
        Row("line 1", "k", (), media=b"x")
    with pytest.raises(AssertionError, match="breaks the WebDataset rule"):
        Row("line 1", "a.b", (), media=b"x", ext="mp4")


def test_the_extension_is_lower_case_and_that_of_the_file() -> None:
    assert Row("line 1", "k", (), media_path=Path("a b/UPPER.MP4")).extension == "mp4"
    assert Row("line 1", "k", (), media=b"x", ext="webp").extension == "webp"


def test_counted_rows_know_what_is_left() -> None:
    rows = CountedRows(iter([BadRow("line 1", "x"), BadRow("line 2", "x")]), 2)
    assert operator.length_hint(rows) == 2
    next(rows)
    assert operator.length_hint(rows) == 1
    assert len(list(rows)) == 1
