"""Units of H.264 and HEVC: found in packets of both forms and in the headers of containers, cut off or not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shards.decode.packing.units import (
    IDR,
    PARAMETERS,
    begun_anew,
    header_units,
    is_turned,
    length_bytes,
    type_of,
    units,
)

UNITS = st.lists(st.binary(min_size=1, max_size=300).map(lambda body: b"\x65" + body.replace(b"\0", b"\1")), min_size=1)


@given(made=UNITS, num_bytes=st.sampled_from([2, 4]))
def test_units_are_found_by_their_lengths(made: list[bytes], num_bytes: int) -> None:
    packet = b"".join(len(unit).to_bytes(num_bytes, "big") + unit for unit in made)
    assert list(units(packet, num_bytes)) == made
    assert list(units(packet[:-1], num_bytes)) == [*made[:-1], made[-1][:-1]]


@given(made=UNITS, code=st.sampled_from([b"\0\0\1", b"\0\0\0\1"]))
def test_units_are_found_by_start_codes(made: list[bytes], code: bytes) -> None:
    assert list(units(b"".join(code + unit for unit in made), 0)) == made
    assert list(header_units("h264", b"".join(code + unit for unit in made))) == made


def test_units_have_types() -> None:
    assert [type_of(bytes([first]), "h264") for first in (0x67, 0x65, 0x05, 0x41)] == [PARAMETERS["h264"], IDR, IDR, 1]
    assert type_of(b"\x42\x01", "hevc") == PARAMETERS["hevc"] and type_of(b"", "h264") == -1


def test_headers_say_how_many_bytes_a_length_has() -> None:
    avcc = b"\1\x64\0\x1f\xfd\xe1" + b"\0\3" + b"\x67ab" + b"\1\0\2\x68c"
    assert length_bytes("h264", avcc) == 2 and list(header_units("h264", avcc)) == [b"\x67ab"]
    hvcc = b"\1" + bytes(20) + b"\xff\2" + b"\x20\0\1\0\2vp" + b"\x21\0\2\0\3\x42sp\0\1\x42"
    assert length_bytes("hevc", hvcc) == 4 and list(header_units("hevc", hvcc)) == [b"vp", b"\x42sp", b"\x42"]
    assert length_bytes("h264", b"\0\0\1\x67") == length_bytes("hevc", b"") == 0
    with pytest.raises(IndexError):
        list(header_units("hevc", hvcc[:22]))


@given(made=UNITS, num_bytes=st.sampled_from([0, 2, 4]), kinds=st.lists(st.integers(0, 63), min_size=1))
def test_a_key_frame_of_hevc_can_say_that_the_sequence_begins_anew(
    made: list[bytes], num_bytes: int, kinds: list[int]
) -> None:
    made = [bytes([kinds[at % len(kinds)] << 1 | 1]) + unit[1:] for at, unit in enumerate(made)]
    code = b"\0\0\1"
    packet = b"".join((len(unit).to_bytes(num_bytes, "big") if num_bytes else code) + unit for unit in made)
    assert begun_anew(packet, "h264", num_bytes) == packet
    found = list(units(begun_anew(packet, "hevc", num_bytes), num_bytes))
    assert [unit[1:] for unit in found] == [unit[1:] for unit in made]
    expected = [18 if type_of(unit, "hevc") == 21 else type_of(unit, "hevc") for unit in made]
    assert [type_of(unit, "hevc") for unit in found] == expected and all(unit[0] & 1 for unit in found)


def test_messages_that_turn_frames_are_found() -> None:
    other, turn = b"\x05\x02ab", b"\x2f\x03\0\0\x80"
    long = b"\x05\xff\x10" + bytes(271)
    for codec, head in (("h264", b"\x06"), ("hevc", b"\x4e\1")):
        for before in (b"", other, long, other + long):
            assert is_turned(head + before + turn + b"\x80", codec)
            assert not is_turned(head + before + b"\x80", codec)
        assert not is_turned(head, codec) and not is_turned(b"", codec)
    assert not is_turned(b"\x65" + turn + b"\x80", "h264")


@given(data=st.binary(max_size=60))
def test_any_bytes_can_be_asked_whether_they_turn_frames(data: bytes) -> None:
    for codec, head in (("h264", b"\x06"), ("hevc", b"\x4e\1")):
        is_turned(head + data, codec)
