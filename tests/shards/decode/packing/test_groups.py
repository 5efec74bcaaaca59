"""Which packets are kept: the groups of the wanted frames, and those that they refer to."""

from __future__ import annotations

import pytest
from av import Packet

from shards.decode.packing.groups import needed

IDR, OTHER_KEY, FRAME = 5, 1, 0
"""Kinds of packets: an IDR picture, a key frame that is none, and a frame."""
FORMS = pytest.mark.parametrize("avcc_bytes", [0, 2, 4])


def packet(kind: int, avcc_bytes: int | None) -> Packet:
    units = [b"\x06\x05", bytes([0x60 | (IDR if kind == IDR else 1)]) + b"picture"]
    if not avcc_bytes:
        made = Packet(b"".join(b"\0\0\1" + unit for unit in units))
    else:
        made = Packet(b"".join(len(unit).to_bytes(avcc_bytes, "big") + unit for unit in units))
    made.is_keyframe = kind != FRAME
    return made


def kept(kinds: str, shown: list[int], wanted: set[int], avcc_bytes: int | None) -> list[int]:
    packets = [packet({"I": IDR, "K": OTHER_KEY, ".": FRAME}[kind], avcc_bytes) for kind in kinds]
    groups = needed(packets, range(len(packets)), shown, wanted, avcc_bytes)
    return [place for group in groups for place in group]


@FORMS
def test_only_the_groups_of_wanted_frames_are_kept(avcc_bytes: int) -> None:
    assert kept("I..I..I..", list(range(9)), {1, 8}, avcc_bytes) == [0, 1, 2, 6, 7, 8]
    assert kept("I..I..I..", list(range(9)), {3}, avcc_bytes) == [3, 4, 5]


@FORMS
def test_in_h264_a_key_frame_that_is_no_idr_picture_begins_no_group(avcc_bytes: int) -> None:
    assert kept("I..K..I..", list(range(9)), {4}, avcc_bytes) == [0, 1, 2, 3, 4, 5]


def test_of_other_codecs_every_key_frame_begins_a_group() -> None:
    assert kept("K..K..K..", list(range(9)), {4}, None) == [3, 4, 5]


def test_a_group_whose_frames_are_shown_before_its_key_frame_needs_the_one_before() -> None:
    assert kept("K..K..K..", [0, 1, 2, 5, 3, 4, 6, 7, 8], {4}, None) == [0, 1, 2, 3, 4, 5]
    assert kept("K..K..K..", [0, 1, 2, 3, 4, 5, 8, 6, 7], {7}, None) == [3, 4, 5, 6, 7, 8]


def test_a_packet_that_is_cut_off_is_no_idr_picture() -> None:
    torn = Packet(b"\0\0\0\xff\x06")
    torn.is_keyframe = True
    assert needed([packet(IDR, 4), torn], [0, 1], [0, 1], {1}, 4) == [[0, 1]]
