"""numpy's arrays and numbers become lists and numbers, of the plain types only, and only if the bytes fit them."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as of_numpy

from tools.pickles.admitted import find
from tools.pickles.arrays import Array, Dtype, from_buffer, reconstruct, scalar
from tools.pickles.opcodes import run
from tools.pickles.stand_in import Named, UnreadablePickle

DTYPES = st.one_of(
    of_numpy.boolean_dtypes(),
    of_numpy.integer_dtypes(endianness="?"),
    of_numpy.floating_dtypes(sizes=(16, 32, 64), endianness="?"),
    of_numpy.unicode_string_dtypes(endianness="?", min_len=1, max_len=5),
    of_numpy.byte_string_dtypes(min_len=1, max_len=5),
)
ARRAYS = of_numpy.arrays(DTYPES, of_numpy.array_shapes(min_dims=1, max_dims=3, max_side=4))


@settings(max_examples=30, deadline=None)
@given(ARRAYS, st.integers(0, 5), st.booleans())
def test_an_array_becomes_its_list(array: np.ndarray[Any, Any], protocol: int, is_fortran: bool) -> None:
    array = np.asfortranarray(array) if is_fortran else array
    read = run(pickle.dumps(array, protocol), find).plain()
    assert repr(read) == repr(array.tolist())


@pytest.mark.parametrize("protocol", range(6))
def test_arrays_of_objects_and_numbers(protocol: int) -> None:
    objects = np.array([["a", None], [["b"], 3]], dtype=object)
    for array in (objects, np.asfortranarray(objects), np.array(["x", None], dtype=object)):
        assert run(pickle.dumps(array, protocol), find).plain() == array.tolist()
    for number in (np.int64(7), np.float32(0.5), np.bool_(True), np.str_("é")):
        assert run(pickle.dumps(number, protocol), find) == number.item()
    assert run(pickle.dumps(np.array(5), protocol), find).plain() == 5
    assert run(pickle.dumps(np.zeros((3, 0)), protocol), find).plain() == []


@pytest.mark.parametrize(
    "array",
    [
        np.array(["2020-01-01"], dtype="M8[D]"),
        np.zeros(2, dtype=[("a", "i4"), ("b", "f4")]),
        np.zeros(2, dtype=complex),
        np.zeros(2, dtype="V4"),
        np.ma.array([1, 2], mask=[True, False]),
        np.array(["a"], dtype=np.dtypes.StringDType()),
        np.zeros(2, dtype=np.longdouble),
    ],
)
def test_other_arrays_are_refused(array: np.ndarray[Any, Any]) -> None:
    for protocol in (2, 5):
        with pytest.raises(UnreadablePickle, match=r"holds a numpy array|names numpy"):
            run(pickle.dumps(array, protocol), find)


@pytest.mark.parametrize(
    ("data", "dtype", "shape"),
    [
        ([1], "O8", (2,)),
        ([1], "O8", (-1,)),
        ([1], "i8", (1,)),
        (b"x", "O8", (1,)),
        ("text", "O8", (1,)),
        (b"12345678", "i8", (1,) * 40),
        (b"12345678", "i8", "3"),
        (b"12345678", "i8", (2.0,)),
    ],
)
def test_data_that_do_not_fit_are_refused(data: Any, dtype: str, shape: Any) -> None:
    with pytest.raises(UnreadablePickle, match="holds"):
        from_buffer(data, Dtype(dtype), shape, "C")


def test_bytes_that_do_not_fill_the_shape_are_an_error_and_nothing_is_allocated() -> None:
    made = from_buffer(b"12345678", Dtype("i8"), (1 << 50,), "C")
    with pytest.raises(ValueError, match="cannot reshape"):
        made.plain()
    assert from_buffer([], Dtype("O8"), (0, 1 << 60), "C").plain() == []


def test_an_array_of_a_class_of_its_own_is_refused() -> None:
    with pytest.raises(UnreadablePickle, match="holds a numpy array of a kind of its own"):
        reconstruct(Named("pandas.DataFrame"))
    assert isinstance(reconstruct(Named("numpy.ndarray")), Array)
    assert scalar(Dtype("i2"), b"\x01\x00") == 1
