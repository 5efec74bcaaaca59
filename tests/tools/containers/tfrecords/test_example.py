"""tf.train.Example: all lists, packed or not, strange fields, and any bytes at all."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.tools.containers.given import example
from tools.containers.files import Damaged
from tools.containers.tfrecords.example import parse_example

VALUES = st.one_of(
    st.lists(st.binary(max_size=40), min_size=1, max_size=4),
    st.lists(st.floats(width=32, allow_nan=False), min_size=1, max_size=4),
    st.lists(st.integers(-(1 << 63), (1 << 63) - 1), min_size=1, max_size=4),
)


@given(st.dictionaries(st.text("abc", min_size=1, max_size=5), VALUES, min_size=1, max_size=4))
def test_what_was_written_is_read(features: dict[str, list[bytes | float | int]]) -> None:
    assert parse_example(example(**features)) == features


def test_numbers_one_by_one_and_other_fields_are_read() -> None:
    one_by_one = bytes([0x08, 5, 0x08, 7])  # Int64List with values 5 and 7, not packed
    feature = bytes([0x1A, len(one_by_one)]) + one_by_one
    entry = b"\x0a\x01n" + bytes([0x12, len(feature)]) + feature
    features = bytes([0x0A, len(entry)]) + entry
    strange = b"\x10\x01" + b"\x1d\0\0\0\0" + b"\x21" + bytes(8)  # fields 2, 3 and 4 of other wire types
    assert parse_example(strange + bytes([0x0A, len(features)]) + features) == {"n": [5, 7]}


@given(st.binary(max_size=200))
def test_any_bytes_are_features_or_damaged(data: bytes) -> None:
    with suppress(Damaged):
        parse_example(data)


@given(st.binary(max_size=30), st.integers(0, 200))
def test_a_changed_example_is_features_or_damaged(change: bytes, at: int) -> None:
    data = bytearray(example(image=[b"x" * 100], caption=["words"], id=[7], score=[0.5]))
    data[at : at + len(change)] = change
    with suppress(Damaged):
        parse_example(bytes(data))


def test_more_values_than_a_feature_has_are_refused() -> None:
    with pytest.raises(Damaged, match=r"has a feature with more than 65536 values"):
        parse_example(example(n=[1] * 70_000))
