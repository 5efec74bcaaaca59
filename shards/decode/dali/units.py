"""The units (NAL units) that packets and headers of H.264 and HEVC consist of."""

from __future__ import annotations

from collections.abc import Iterator

PARAMETERS = {"h264": 7, "hevc": 33}
"""Type of a sequence parameter set, by codec."""
IDR = 5
"""Type of a piece of an IDR picture of H.264."""
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
    if not length_bytes:
        yield from (unit.rstrip(b"\0") for unit in packet.split(b"\0\0\1")[1:])
        return
    at = 0
    while at + length_bytes < len(packet):
        start = at + length_bytes
        at = start + int.from_bytes(packet[at:start], "big")
        yield packet[start:at]


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
