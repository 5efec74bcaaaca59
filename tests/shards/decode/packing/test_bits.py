"""Bits of a header: as many as asked for, highest first, and numbers of any length in Exp-Golomb code."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shards.decode.packing.bits import Bits


def golomb(number: int) -> str:
    digits = f"{number + 1:b}"
    return "0" * (len(digits) - 1) + digits


def bits_of(text: str) -> Bits:
    padded = text + "0" * (-len(text) % 8)
    return Bits(int(padded or "0", 2).to_bytes(len(padded) // 8, "big"))


@given(st.lists(st.tuples(st.integers(0, 2**32 - 2), st.integers(0, 255))))
def test_what_was_written_is_read(written: list[tuple[int, int]]) -> None:
    bits = bits_of("".join(f"{golomb(number)}{byte:08b}" for number, byte in written))
    assert [(bits.golomb(), bits.read(8)) for _ in written] == written


@given(st.integers(-(2**30), 2**30))
def test_signed_numbers_go_to_and_fro(number: int) -> None:
    assert bits_of(golomb(2 * number - 1 if number > 0 else -2 * number)).signed_golomb() == number


def test_behind_the_end_there_is_nothing() -> None:
    bits = Bits(b"\xa0")
    assert (bits.read(3), bits.read(0), bits.read(5)) == (5, 0, 0)
    for read in (lambda: bits.read(1), bits.golomb):
        with pytest.raises(ValueError, match="cut off"):
            read()
    with pytest.raises(ValueError, match="too long"):
        Bits(bytes(10)).golomb()
