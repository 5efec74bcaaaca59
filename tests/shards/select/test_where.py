"""`where` expressions: what they mean, what they refuse, and that nothing of them runs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shards.base.errors import WhereError
from shards.select.where import parse_where
from shards.select.where_check import NUMBERS, STRINGS

COLUMNS: dict[str, Any] = {
    "key": pa.array(["a cat", "a dog", "b", None]),
    "shard": pa.array(["0.tar", "0.tar", "1.tar", "1.tar"]),
    "kind": pa.array(["video", "image", "video", None]),
    "codec": pa.array(["h264", "png", "vp9", "h264"]),
    "width": np.array([320.0, 640.0, 70000.0, np.nan]),
    "height": np.array([240.0, 480.0, 70000.0, 0.0]),
    "num_frames": np.array([75.0, 1.0, 10.0, 0.0]),
    "fps": np.array([25, 0, 29.97, 30], np.float32),
    "duration": np.array([3.1, 0, 10, np.nan], np.float32),
    "num_records": np.array([1.0, 2.0, 3.0, 0.0]),
    "media_bytes": np.array([1e3, 2e3, 3e3, 0.0]),
}


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("duration >= 2", [0, 2]),
        ("duration >= 3.1 and fps != 29.97", [0]),  # stored in single precision, meant as written
        ("fps in (29.97, 30)", [2, 3]),
        ("fps not in [29.97, 30]", [0, 1]),
        ("width * height >= 4e9", [2]),
        ("2 <= num_records < 3", [1]),
        ("kind == 'video' and (width >= 400 or codec == 'h264')", [0, 2]),
        ('not kind == "video"', [1, 3]),
        ("kind != 'video'", [1]),
        ("kind not in ('image', 'audio')", [0, 2]),
        ("width != 320", [1, 2]),
        ("'cat' in key", [0]),
        ("'cat' not in key", [1, 2]),
        ("'.' in shard and key < 'b'", [0, 1]),
        ("key == shard", []),
        ("num_frames / duration > 20", [0, 1]),  # 1 / 0 is infinite
        ("num_frames / (1 - 1) > 0", [0, 1, 2]),
        ("num_frames % 2 == 1 and num_frames // 2 > 5", [0]),
        ("-width < -500 and +width < 1e4", [1]),
        ("duration in (-1, 10)", [2]),
    ],
)
def test_an_expression_keeps_what_it_says(text: str, kept: list[int]) -> None:
    where = parse_where(text)
    assert where.columns <= set(NUMBERS + STRINGS)
    assert np.flatnonzero(where.mask({name: COLUMNS[name] for name in where.columns})).tolist() == kept
    assert where.mask({name: COLUMNS[name][:0] for name in where.columns}).shape == (0,)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("duraton >= 2", "the index has no column 'duraton'; did you mean 'duration'\\? columns: key, shard"),
        ("sex == 'x'", "the index has no column 'sex'; columns: key"),
        ("duration >= 'two'", "the right side takes a number, \"'two'\" is a string"),
        ("kind > 3", "the right side takes a string, '3' is a number"),
        ("duration", "is a number; compare it with something"),
        ("kind and width > 2", "and takes a truth, 'kind' is a string"),
        ("not width", "not takes a truth"),
        ("(width > 2) == (height > 2)", "which is true or false already"),
        ("width + kind > 2", "arithmetic takes a number, 'kind' is a string"),
        ("1 < 2", "compares constants with each other"),
        ("width in height", "`in` takes a list of number constants"),
        ("kind in ('a', 2)", "`in` takes a list of string constants"),
        ("kind in ()", "`in` takes a list of string constants"),
        ("key in 'abc'", "`in` takes a list of string constants, or one text after a constant"),
        ("width is 3", "only ==, !=, <, <=, >, >=, in and not in compare"),
        ("width ** 9 > 2", r"only columns, numbers, strings, \+ - \* / // %"),
        ("width > True", "only columns, numbers"),
        ("width > 2j", "only columns, numbers"),
        ("key == b'a'", "only columns, numbers"),
        ("width > 1e999", "a number out of range"),
        ("width >", r"not an expression \(invalid syntax, character"),
        ("", "not an expression"),
        ("width > 2; height", "not an expression"),
        ("width > \0", "not an expression"),
        ("width > " + "9" * 4000, "a number out of range"),
        ("(" * 150 + "width", "not an expression"),
        ("-" * 4000 + "width > 2", "nested too deeply"),
        ("width > 2 " * 500, "5000 characters, at most 4096"),
    ],
)
def test_what_cannot_be_meant_is_refused(text: str, message: str) -> None:
    with pytest.raises(WhereError, match=message):
        parse_where(text)


@pytest.mark.parametrize(
    "text",
    [
        "__import__('os').system('touch here') == 0",
        "(lambda: 1)() > width",
        "[width for width in (1, 2)]",
        "key.__class__ == 'x'",
        "kind == f'{width}'",
        "(width := 3) > 2",
        "width if height else 1",
        "kind[0] == 'v'",
        "key == open",
        "{**{}} == width",
    ],
)
def test_nothing_runs_as_code(text: str) -> None:
    with pytest.raises(WhereError, match=r"only columns, numbers, strings|has no column|list of"):
        parse_where(text)


def test_one_meaning_has_one_spelling_and_its_conditions() -> None:
    where = parse_where('  ((width>=2)and( kind == "video")) ')
    assert where.text == '((width>=2)and( kind == "video"))'
    assert where.spelling == '(And (GtE width 2.0) (Eq kind "video"))'
    assert where.spelling == parse_where("width >= 2.0 and kind == 'video'").spelling
    others = ["width >= 2 or kind == 'video'", "width > 2 and kind == 'video'", "width >= 2 and not kind == 'video'"]
    others += ["kind == 'video' and width >= -2", "width >= 2 and kind in ('video', '2')", "width + 2 > 2 + 2 * 2"]
    assert len({parse_where(other).spelling for other in others} | {where.spelling}) == 7
    assert [part.text for part in where.conditions] == ["width >= 2", "kind == 'video'"]
    either = parse_where("width > 2 or height > 2")
    assert [part.text for part in either.conditions] == [either.text]
    assert where.conditions[1].columns == {"kind"}


NUMBER = st.recursive(
    st.sampled_from(["width", "height", "num_records", "2", "0.5", "-3"]),
    lambda inner: st.builds("({} {} {})".format, inner, st.sampled_from(["+", "-", "*", "/", "//", "%"]), inner),
    max_leaves=5,
)
TRUTH = st.recursive(
    st.builds("{} {} {}".format, NUMBER, st.sampled_from(["<", "<=", ">", ">=", "==", "!="]), st.just("num_records"))
    | st.builds("{} {} 'video'".format, st.just("kind"), st.sampled_from(["==", "!=", "<", ">="])),
    lambda inner: (
        st.builds("({}) {} ({})".format, inner, st.sampled_from(["and", "or"]), inner)
        | st.builds("not ({})".format, inner)
    ),
    max_leaves=6,
)


@settings(max_examples=150)
@given(TRUTH)
def test_many_samples_at_once_are_judged_as_python_judges_one(text: str) -> None:
    rows = [
        {"width": w, "height": h, "num_records": r, "kind": k}
        for w, h, r, k in [(320.0, 3.0, 1.0, "video"), (7.0, 5.0, 2.0, "image"), (4.0, 8.0, 9.0, "a")]
    ]
    columns = {
        name: pa.array(v) if name == "kind" else np.array(v) for name in rows[0] if (v := [r[name] for r in rows])
    }
    where = parse_where(text)
    try:
        expected = [bool(eval(text, {"__builtins__": {}}, row)) for row in rows]
    except ZeroDivisionError:
        return
    assert where.mask({name: columns[name] for name in where.columns}).tolist() == expected
