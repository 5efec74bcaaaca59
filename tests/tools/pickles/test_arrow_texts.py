"""Columns of texts as pandas 3 keeps them come out whole, cut or filtered, and offsets that lie are refused."""

from __future__ import annotations

import pickle

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tools.pickles.admitted import find
from tools.pickles.arrow_texts import ArrowChunks, ArrowTexts, ArrowType, TextColumn, TextType, buffer
from tools.pickles.opcodes import run
from tools.pickles.stand_in import UnreadablePickle

TEXTS = st.lists(st.none() | st.text(max_size=5), max_size=20)
KINDS = st.sampled_from([pa.string(), pa.large_string()])


@settings(max_examples=40, deadline=None)
@given(TEXTS, KINDS, st.integers(0, 5), st.integers(0, 5), st.integers(2, 5))
def test_an_array_of_texts_becomes_its_list(
    texts: list[str | None], kind: pa.DataType, begin: int, length: int, protocol: int
) -> None:
    array = pa.array(texts, kind).slice(begin, length)
    assert run(pickle.dumps(array, protocol), find).plain() == array.to_pylist()
    chunks = pa.chunked_array([array, pa.array(texts, kind)], kind)
    assert run(pickle.dumps(chunks, protocol), find).plain() == chunks.to_pylist()


@pytest.mark.parametrize("array", [pa.array([1, 2]), pa.array([["a"]]), pa.array([b"a"])])
def test_other_columns_of_arrow_are_refused(array: pa.Array) -> None:
    with pytest.raises(UnreadablePickle, match=r"holds a column of pyarrow's type|names pyarrow\.lib\."):
        run(pickle.dumps(array), find)


@pytest.mark.parametrize(
    ("length", "begin", "offsets", "texts"),
    [
        (2, 0, [0, 5, 2], b"abcde"),
        (2, 0, [0, 1, 9], b"abcde"),
        (2, 0, [-1, 1, 2], b"abcde"),
        (9, 0, [0, 1], b"abcde"),
        (1, 7, [0, 1], b"abcde"),
        (1 << 60, 0, [0, 1], b"abcde"),
    ],
)
def test_offsets_that_do_not_fit_are_refused(length: int, begin: int, offsets: list[int], texts: bytes) -> None:
    raw = b"".join(number.to_bytes(4, "little", signed=True) for number in offsets)
    made = ArrowTexts((ArrowType("string"), length, 0, begin, [None, raw, texts], [], None))
    with pytest.raises(UnreadablePickle, match="whose offsets do not fit"):
        made.plain()
    with pytest.raises(UnreadablePickle, match="holds a column of texts of no length"):
        ArrowTexts((ArrowType("string"), -1, 0, 0, [None, raw, texts], [], None))


def test_a_column_without_texts_is_refused() -> None:
    with pytest.raises(UnreadablePickle, match="holds a column of texts without its texts"):
        TextColumn().set_state({"_dtype": "string"})
    column = TextColumn()
    column.set_state({"_pa_array": ArrowChunks([])})
    assert column.plain() == [] and buffer(b"x") == b"x"


def test_the_type_of_texts_takes_its_settings_and_keeps_none() -> None:
    made = TextType("pyarrow", float("nan"))
    made.set_state({"storage": "python"})
    assert vars(made) == {}
