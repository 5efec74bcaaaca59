"""The units (NAL units) that packets and headers of H.264 and HEVC consist of."""

from __future__ import annotations

from collections.abc import Iterator

PARAMETERS = {"h264": 7, "hevc": 33}
"""Type of a sequence parameter set, by codec."""
IDR = 5
"""Type of a piece of an IDR picture of H.264."""
_CRA, _BLA = 21, 18
"""Types of a piece of a key frame of HEVC that goes on with the sequence, and of one that begins anew."""
_TYPE = {"h264": (0, 0x1F), "hevc": (1, 0x3F)}
"""Shift and mask that give the type of a unit from its first byte."""
_LENGTHS_AT = {"h264": 4, "hevc": 21}


def length_bytes(codec: str, headers: bytes) -> int:
    """The bytes of the length in front of each unit of a packet; 0: there are start codes. headers: the extradata."""
    has_lengths = headers[:1] == b"\1"  # the version of avcC and hvcC
    return (headers[_LENGTHS_AT[codec]] & 3) + 1 if has_lengths else 0


def type_of(unit: bytes, codec: str) -> int:
    """The type of a unit, -1 for an empty one."""
    shift, mask = _TYPE[codec]
    return unit[0] >> shift & mask if unit else -1


def units(packet: bytes, length_bytes: int) -> Iterator[bytes]:
    """The units of a packet; the last one may be cut off."""
    return (packet[start:stop] for start, stop in _places(packet, length_bytes))


def _places(packet: bytes, length_bytes: int) -> Iterator[tuple[int, int]]:
    """(first byte, byte behind the last) of the units of a packet."""
    if not length_bytes:
        at = packet.find(b"\0\0\1")
        while at >= 0:
            start = at + 3
            at = packet.find(b"\0\0\1", start)
            yield start, start + len(packet[start : len(packet) if at < 0 else at].rstrip(b"\0"))
        return
    at = 0
    while at + length_bytes < len(packet):
        start = at + length_bytes
        at = start + int.from_bytes(packet[at:start], "big")
        yield start, min(at, len(packet))


def begun_anew(packet: bytes, codec: str, length_bytes: int) -> bytes:
    """A key frame in front of which others are left out. In HEVC frames are ordered by the low bits of a count that
    goes on over key frames, so it has to say that the sequence begins anew (ITU-T H.265, 8.1.3); in H.264 it is an IDR
    picture, which does."""
    if codec != "hevc":
        return packet
    changed = bytearray(packet)
    for start, stop in _places(packet, length_bytes):
        if stop > start and type_of(packet[start:stop], codec) == _CRA:
            changed[start] = changed[start] & 0x81 | _BLA << 1
    return bytes(changed)


def is_turned(unit: bytes, codec: str) -> bool:
    """True for a message that asks for frames to be shown turned (display orientation, ITU-T H.264, D.1.27)."""
    kinds, head = {"h264": ((6,), 1), "hevc": ((39, 40), 2)}[codec]
    at = head
    while type_of(unit, codec) in kinds and at + 1 < len(unit):  # the last byte holds no message
        kind = size = 0
        while at + 1 < len(unit) and unit[at] == 255:
            kind, at = kind + 255, at + 1
        kind, at = kind + unit[at], at + 1
        while at + 1 < len(unit) and unit[at] == 255:
            size, at = size + 255, at + 1
        if kind == 47:
            return True
        at += 1 + size + unit[at] if at < len(unit) else 1
    return False


def header_units(codec: str, headers: bytes) -> Iterator[bytes]:
    """The units of the extradata, avcC: only its sequence parameter sets. Raises IndexError where it is cut off."""
    if not length_bytes(codec, headers):
        yield from units(headers, 0)
        return
    at, groups = (5, 1) if codec == "h264" else (23, headers[22])
    for _ in range(groups):
        if codec == "h264":
            count, at = headers[at] & 0x1F, at + 1
        else:
            count, at = int.from_bytes(headers[at + 1 : at + 3], "big"), at + 3
        for _ in range(count):
            start = at + 2
            at = start + int.from_bytes(headers[at:start], "big")
            yield headers[start:at]
