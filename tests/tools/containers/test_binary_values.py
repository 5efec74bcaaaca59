"""Values of MDS and LitData: what was written is read, and any bytes are a value or Damaged."""

from __future__ import annotations

import struct
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.tools.containers.given import PICTURES
from tools.containers import binary_values as values
from tools.containers.files import Damaged

ALL = (values.as_text, values.as_json, values.number("q"), values.as_flag, values.as_number_text, values.as_pictures)


@given(st.binary(max_size=60))
def test_any_bytes_are_a_value_or_damaged(data: bytes) -> None:
    for decode in (*ALL, values.as_nested):
        with suppress(Damaged):
            decode(data)


def test_lists_of_pictures_begin_with_their_sizes() -> None:
    packed = struct.pack("<4I", 3, *map(len, PICTURES)) + b"".join(PICTURES)
    assert values.as_pictures(packed) == PICTURES == values.as_pictures(bytes(4) + packed, 4)
    with pytest.raises(Damaged, match=r"3 pictures claim \d+ bytes, there are \d+: damaged"):
        values.as_pictures(packed[:-1])
    with pytest.raises(Damaged, match=r"a list claims 4294967295 pictures"):
        values.as_pictures(b"\xff" * 8)


def test_nested_values() -> None:
    texts = b"\1" + struct.pack("<I", 2) + struct.pack("<I", 1) + b"a" + struct.pack("<I", 2) + b"bc"
    assert values.as_nested(texts) == ["a", "bc"] and values.as_nested(b'{"a": 1}') == {"a": 1}
    assert values.as_nested(b"\0" + struct.pack("<I", 3) + b"[1]") == [1] and values.as_nested(b"\x0b") is None
    assert values.as_nested(b"\7" + struct.pack("<I", 1) + b"a") == "a" and values.as_nested(b"") is None
    assert values.as_nested(b"\5" + bytes(9)) is values.OPAQUE


def test_numbers_and_their_texts() -> None:
    assert values.number("e")(struct.pack("<e", 1.5)) == 1.5 and values.as_number_text(b"12") == 12
    assert values.as_number_text(b"NaN") == "NaN" and values.as_number_text(b"9" * 5000) == "9" * 5000
