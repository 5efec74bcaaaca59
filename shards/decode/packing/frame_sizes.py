"""The sizes that the frames of VP8, VP9 and MJPEG say in their own headers."""

from __future__ import annotations

from shards.decode.packing.bits import Bits


def _vp8_sizes(frame: bytes) -> list[tuple[int, int]]:
    """RFC 6386 section 9.1: key frames say their size."""
    if frame[0] & 1:
        return []
    return [(int.from_bytes(frame[6:8], "little") & 0x3FFF, int.from_bytes(frame[8:10], "little") & 0x3FFF)]


def _jpeg_sizes(frame: bytes) -> list[tuple[int, int]]:
    """The size in the frame header of a JPEG picture (T.81 B.2.2)."""
    at = 2
    while frame[at] == 0xFF:
        marker, length = frame[at + 1], int.from_bytes(frame[at + 2 : at + 4], "big")
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            return [(int.from_bytes(frame[at + 7 : at + 9], "big"), int.from_bytes(frame[at + 5 : at + 7], "big"))]
        at += 2 + length
    raise ValueError("no frame header in a JPEG picture")


def _vp9_sizes(packet: bytes) -> list[tuple[int, int]]:
    """The sizes of all frames of a packet; frames that take theirs from a reference say none."""
    found = []
    for start, stop in _vp9_frames(packet):
        size = _vp9_size(packet[start : min(stop, start + 32)])
        if size is not None:
            found.append(size)
    return found


def _vp9_frames(packet: bytes) -> list[tuple[int, int]]:
    """(first byte, byte behind the last) of each frame: VP9 bitstream specification, annex B."""
    marker = packet[-1]
    width, count = (marker >> 3 & 3) + 1, (marker & 7) + 1
    index = 2 + width * count
    if marker >> 5 != 0b110 or len(packet) < index or packet[-index] != marker:
        return [(0, len(packet))]
    frames, start = [], 0
    for number in range(count):
        at = len(packet) - index + 1 + number * width
        stop = start + int.from_bytes(packet[at : at + width], "little")
        if stop > start:
            frames.append((start, stop))
        start = stop
    return frames


def _vp9_size(frame: bytes) -> tuple[int, int] | None:
    """(width, height) if the frame's header says them: VP9 bitstream specification, 6.2."""
    bits = Bits(frame)
    if bits.read(2) != 2:
        raise ValueError("not a VP9 frame")
    profile = bits.read(1) | bits.read(1) << 1
    if profile == 3:
        bits.read(1)
    if bits.read(1):  # shows an earlier frame
        return None
    is_key, shown, resilient = not bits.read(1), bits.read(1), bits.read(1)
    if is_key:
        _vp9_colours(bits, profile)
    else:
        intra_only = not shown and bits.read(1)
        if not resilient:
            bits.read(2)
        if intra_only:
            if profile > 0:
                _vp9_colours(bits, profile)
            else:
                bits.read(24)
            bits.read(8)
        else:
            bits.read(8 + 3 * 4)
            if any(bits.read(1) for _ in range(3)):  # as large as a reference
                return None
    return bits.read(16) + 1, bits.read(16) + 1


def _vp9_colours(bits: Bits, profile: int) -> None:
    """Read past the sync code and the colour configuration."""
    bits.read(24)
    if profile >= 2:
        bits.read(1)
    rgb = bits.read(3) == 7
    if not rgb:
        bits.read(1)
    if profile in (1, 3):
        bits.read(1 if rgb else 3)


SIZES = {"vp8": _vp8_sizes, "vp9": _vp9_sizes, "mjpeg": _jpeg_sizes}
"""By codec the function that reads the sizes, (width, height), that are said in a packet. They raise IndexError and
ValueError for a frame without a header."""
