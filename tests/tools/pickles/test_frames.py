"""Data frames of every pandas since 1.0 are read without pandas, with the values that pandas gives.

pandas_VERSION.pkl is the frame of ROWS with the index [7, 3, 11, 20], written by DataFrame.to_pickle of that version;
pandas_VERSION_protocol2.pkl the same with a plain index, by pickle.dump(frame, file, 2). Versions 1.0.5 and 1.3.5 ran
on Python 3.8 and 3.9, the others on 3.11. python2_protocolN.pkl was written by Python 2.7's cPickle.
"""

from __future__ import annotations

import math
import pickle
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tools.pickles.frames import MAX_RANGE, Block, DataFrame, Frame, Labels, Manager, Range, Series
from tools.pickles.reading import load_pickle
from tools.pickles.stand_in import Named, UnreadablePickle
from tools.rows import AnnotationError

FILES = sorted(Path(__file__).parent.glob("pandas_*.pkl"))
ROWS = [
    ("1024000", "a man rides a horse", 19, "000001_000050", 0.5, True),
    ("21179416", 'café 中, "quoted"', 15, None, None, False),
    ("vé", None, 0, "000001_000050", 1.25, True),
    ("9", "last\nline", 9, "x", -1.0, True),
]
NAMES = ("video_id", "text", "txt_len", "page_dir", "score", "good")


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_frame_that_pandas_pickled(path: Path) -> None:
    frame = load_pickle(path)
    assert isinstance(frame, Frame) and len(frame) == 4
    assert list(frame.records()) == [dict(zip(NAMES, row, strict=True)) for row in ROWS]


def test_there_is_a_file_of_every_kind_of_pandas() -> None:
    versions = {path.stem.split("_")[1] for path in FILES}
    assert versions == {"1.0.5", "1.3.5", "1.5.3", "2.2.3", "3.1.1"} and len(FILES) == 10


_CELLS = st.one_of(st.none(), st.text(max_size=4), st.integers(-9, 9), st.lists(st.text(max_size=2), max_size=2))
_COLUMNS = st.one_of(
    st.lists(_CELLS, min_size=3, max_size=3),
    st.lists(st.text(max_size=5), min_size=3, max_size=3),
    st.lists(st.integers(-(2**40), 2**40), min_size=3, max_size=3),
    st.lists(st.floats(width=32), min_size=3, max_size=3),
    st.lists(st.booleans(), min_size=3, max_size=3),
)


@settings(max_examples=20, deadline=None)
@given(st.dictionaries(st.text(min_size=1, max_size=4), _COLUMNS, min_size=1, max_size=5), st.integers(2, 5))
def test_any_frame_of_plain_columns_survives(tmp_path_factory: Any, columns: dict[str, Any], protocol: int) -> None:
    frame = pd.DataFrame(columns).iloc[[2, 0]]
    path = tmp_path_factory.getbasetemp() / "any.pkl"
    path.write_bytes(pickle.dumps(frame, protocol))
    read = load_pickle(path)
    assert list(read.columns) == list(frame.columns)
    for name in frame.columns:
        assert _same(read.columns[name], frame[name].tolist()), name


def _same(ours: list[Any], theirs: list[Any]) -> bool:
    return all(a == b or (_is_missing(a) and _is_missing(b)) for a, b in zip(ours, theirs, strict=True))


def _is_missing(value: Any) -> bool:
    return value is None or (isinstance(value, float) and math.isnan(value))


def test_series_and_indexes_are_lists(tmp_path: Path) -> None:
    path = tmp_path / "a.pkl"
    value = {"s": pd.Series(["a", "b"], index=[5, 6]), "i": pd.Index(["x"]), "r": pd.RangeIndex(3), "n": pd.Series([1])}
    path.write_bytes(pickle.dumps(value))
    assert load_pickle(path) == {"s": ["a", "b"], "i": ["x"], "r": [0, 1, 2], "n": [1]}


@pytest.mark.parametrize("storage", ["python", "pyarrow"])
def test_columns_of_the_string_type_are_texts(tmp_path: Path, storage: str) -> None:
    path = tmp_path / "a.pkl"
    frame = pd.DataFrame({"a": pd.array(["x", None], dtype=pd.StringDtype(storage)), "b": [pd.NA, pd.NaT]})
    path.write_bytes(pickle.dumps(frame))
    assert list(load_pickle(path).records()) == [{"a": "x", "b": None}, {"a": None, "b": None}]


@pytest.mark.parametrize(
    ("frame", "named"),
    [
        (pd.DataFrame({"a": pd.Categorical(["x"])}), "Categorical"),
        (pd.DataFrame({"a": pd.to_datetime(["2020-01-01"])}), "DatetimeArray"),
        (pd.DataFrame({"a": pd.array([1, None], dtype="Int64")}), "IntegerArray"),
        (pd.DataFrame([[1, 2]], columns=["a", "a"]), "columns of one name"),
        (pd.DataFrame({("a", "b"): [1]}), "MultiIndex"),
    ],
)
def test_frames_with_other_columns_are_refused(tmp_path: Path, frame: pd.DataFrame, named: str) -> None:
    path = tmp_path / "a.pkl"
    path.write_bytes(pickle.dumps(frame))
    with pytest.raises(AnnotationError, match=rf"a\.pkl: the pickle .*{named}"):
        load_pickle(path)


def test_an_index_with_a_name_is_a_column(tmp_path: Path) -> None:
    path = tmp_path / "a.pkl"
    path.write_bytes(pickle.dumps(pd.DataFrame({"id": ["a", "b"], "n": [1, 2]}).set_index("id")))
    assert load_pickle(path) == Frame({"id": ["a", "b"], "n": [1, 2]})


def test_an_empty_frame_has_its_columns(tmp_path: Path) -> None:
    path = tmp_path / "a.pkl"
    path.write_bytes(pickle.dumps(pd.DataFrame({"a": [], "b": pd.Series([], dtype=str)})))
    frame = load_pickle(path)
    assert frame == Frame({"a": [], "b": []}) and list(frame.records()) == []


def test_parts_that_do_not_fit_are_refused() -> None:
    names = Labels(Named("pandas.Index"), {"data": Range(0, 2, 1)})
    for blocks in ((), (Block(Range(0, 3, 1), Range(0, 1, 1)),), (Block(Range(0, 3, 1), Range(5, 6, 1)),)):
        frame = DataFrame()
        frame.set_state({"_mgr": Manager(blocks, [names, names])})
        with pytest.raises((UnreadablePickle, IndexError), match=r"do not fit together|out of range"):
            frame.plain()
    with pytest.raises(UnreadablePickle, match="holds a data frame without its columns"):
        Series().set_state({"_mgr": None})
    with pytest.raises(UnreadablePickle, match="holds columns without their numbers"):
        Block([1], Range(1))
    with pytest.raises(UnreadablePickle, match="holds a range without numbers"):
        Range("a", "b", "c")
    with pytest.raises(UnreadablePickle, match=r"holds an index of 1,000,001 numbers; it is not to be trusted"):
        Range(MAX_RANGE + 1).plain()
    with pytest.raises(UnreadablePickle, match="holds an index without its labels"):
        Labels(Named("pandas.Index"), None)
