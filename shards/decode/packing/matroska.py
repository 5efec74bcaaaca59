"""Matroska files (RFC 9559): one with packets of H.264 or HEVC, and the size that one of FFmpeg says changed in place.

FFmpeg's own muxer, through PyAV, takes ten times as long for the few packets of a clip.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from typing import NamedTuple

TICKS = 40
"""Milliseconds between frames, the unit of Matroska."""
_LONGEST_CLUSTER = 500
"""Packets; their times are said in 16 bits, from that of their cluster on."""
_CODECS = {"h264": b"V_MPEG4/ISO/AVC", "hevc": b"V_MPEGH/ISO/HEVC"}
_SEGMENT, _TRACKS, _TRACK, _VIDEO = b"\x18\x53\x80\x67", b"\x16\x54\xae\x6b", b"\xae", b"\xe0"
_WIDTH, _HEIGHT, _VOID = b"\xb0", b"\xba", b"\xec"
_ABOUT_SHOWING = (b"\x9a", b"\x54\xb0", b"\x54\xba", b"\x54\xb2")
"""Elements that no decoder needs: whether frames are interlaced, and sizes on a screen. They make room."""


class Packet(NamedTuple):
    """An encoded frame."""

    number: int
    """Its number in the order of showing."""
    is_key: bool
    data: bytes


def write(codec: str, headers: bytes, size: tuple[int, int], packets: Sequence[Packet]) -> bytes:
    """A file with these packets, which are given in the order of decoding.

    codec: "h264" or "hevc". headers: its avcC or hvcC. size: (width, height) of its frames.
    """
    video = _element("e0", _number("b0", size[0]) + _number("ba", size[1]))
    track = (
        *(_number("d7", 1), _number("73c5", 1), _number("83", 1), _number("9c", 0)),
        *(_element("86", _CODECS[codec]), _element("63a2", headers), _number("23e383", TICKS * 1_000_000), video),
    )
    duration = struct.pack(">d", TICKS * len(packets))
    info = _number("2ad7b1", 1_000_000) + _element("4489", duration) + _element("4d80", b"-") + _element("5741", b"-")
    parts = [_element("1549a966", info), _element("1654ae6b", _element("ae", b"".join(track)))]
    at, cues = sum(map(len, parts)), []
    for cluster in _clusters(packets):
        base = min(packet.number for packet in cluster)
        blocks = [_number("e7", base * TICKS)]
        for packet in cluster:
            head = struct.pack(">BhB", 0x81, (packet.number - base) * TICKS, 0x80 * packet.is_key)
            blocks.append(_ID["a3"] + _length_of(len(head) + len(packet.data)) + head + packet.data)
        if cluster[0].is_key:
            where = _number("f7", 1) + _number("f1", at)
            cues.append(_element("bb", _number("b3", cluster[0].number * TICKS) + _element("b7", where)))
        parts.append(_element("1f43b675", b"".join(blocks)))
        at += len(parts[-1])
    parts.append(_element("1c53bb6b", b"".join(cues)))
    return _HEAD + _element("18538067", b"".join(parts))


def _clusters(packets: Sequence[Packet]) -> Iterator[Sequence[Packet]]:
    """The packets by groups of pictures, long ones in pieces."""
    start = 0
    for place in range(1, len(packets) + 1):
        if place == len(packets) or packets[place].is_key or place - start == _LONGEST_CLUSTER:
            yield packets[start:place]
            start = place


def _element(name: str, body: bytes) -> bytes:
    return _ID[name] + _length_of(len(body)) + body


def _number(name: str, value: int) -> bytes:
    return _element(name, value.to_bytes(max(1, (value.bit_length() + 7) // 8), "big"))


def _length_of(size: int) -> bytes:
    """The length of a body (RFC 8794, section 4)."""
    return bytes([0x80 | size]) if size < 127 else (1 << 56 | size).to_bytes(8, "big")


_ID = {
    name: bytes.fromhex(name)
    for name in (
        *("1a45dfa3", "4286", "42f7", "42f2", "42f3", "4282", "4287", "4285"),
        *("18538067", "1549a966", "2ad7b1", "4489", "4d80", "5741", "1654ae6b", "ae", "d7", "73c5", "83", "9c", "86"),
        *("63a2", "23e383", "e0", "b0", "ba", "1f43b675", "e7", "a3", "1c53bb6b", "bb", "b3", "b7", "f7", "f1"),
    )
}
"""The elements that are written, by their numbers as texts."""
_HEAD = _element(
    "1a45dfa3",
    b"".join(
        (
            *(_number("4286", 1), _number("42f7", 1), _number("42f2", 4), _number("42f3", 8)),
            *(_element("4282", b"matroska"), _number("4287", 4), _number("4285", 2)),
        )
    ),
)


def with_size(file: bytes, size: tuple[int, int]) -> bytes:
    """The file with another (width, height) of its one video, as long as before. Raises ValueError where there is no
    room, or for a side of 65,536 pixels or more."""
    if max(size) > 0xFFFF:
        raise ValueError(f"{size[0]}x{size[1]} is too large for its header")
    start, stop = 0, len(file)
    for name in (_SEGMENT, _TRACKS, _TRACK, _VIDEO):
        place = next(((body, end) for found, _, body, end in _elements(file, start, stop) if found == name), None)
        if place is None:
            raise ValueError("it has no header of a video")
        start, stop = place
    others = [
        file[at:end]
        for name, at, _, end in _elements(file, start, stop)
        if name not in (_WIDTH, _HEIGHT, *_ABOUT_SHOWING)
    ]
    sizes = [b"\x82" + side.to_bytes(2, "big") for side in size]
    body = _WIDTH + sizes[0] + _HEIGHT + sizes[1] + b"".join(others)
    room = stop - start - len(body)
    if room == 1:  # the shortest element to be left out has two bytes
        body, room = _WIDTH + b"\x40\x02" + body[2:], 0
    if room < 0 or room > 128:
        raise ValueError(f"its header has {room} bytes of room for another size")
    void = _VOID + bytes([0x80 | room - 2]) + bytes(room - 2) if room else b""
    return file[:start] + body + void + file[stop:]


def _elements(file: bytes, start: int, stop: int) -> Iterator[tuple[bytes, int, int, int]]:
    """(name, where it begins, where its body begins, where it ends) of the elements between two places."""
    at = start
    while at < stop:
        name_ends = at + _length(file[at])
        body = name_ends + _length(file[name_ends])
        size = int.from_bytes(file[name_ends:body], "big") & (1 << 7 * (body - name_ends)) - 1
        yield file[at:name_ends], at, body, body + size
        at = body + size


def _length(first: int) -> int:
    """Bytes of a number whose length is said by the zeros in front of its first one (RFC 8794, section 4)."""
    return 9 - first.bit_length()
