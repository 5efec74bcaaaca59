"""The size that H.264 and HEVC streams are coded with, and the window of it that is shown.

NVDEC decodes whole blocks, and DALI 2.4 keeps its decoders by the coded size but compares the shown one: a video whose
two sizes differ never finds a decoder again (50 ms each), and may be given one that was made for another height, which
reads colours from wrong lines. So remux.py hides the window from DALI, which then shows the whole coded picture, and
pipeline.py cuts the window out.
"""

from __future__ import annotations

from typing import NamedTuple

from shards.decode.packing.bits import Bits
from shards.decode.packing.units import PARAMETERS, header_units, type_of

_HIGH_PROFILES = (44, 83, 86, 100, 110, 118, 122, 128, 134, 135, 138, 139, 244)
"""Profiles of H.264 whose headers say how colours are sampled (ITU-T H.264, 7.3.2.1.1)."""
_LONGEST = 4096
"""Bytes of a parameter set that are looked at: real ones have some tens, with all tables that it may hold 2,000."""


_UNSAID = 2
"""Number of a colour space that is not said."""


class Window(NamedTuple):
    """What is shown of a coded picture, in pixels."""

    coded: tuple[int, int]
    """(width, height) of the whole picture."""
    left: int
    top: int
    width: int
    height: int


class Sequence(NamedTuple):
    """What a sequence parameter set says."""

    window: Window
    chroma: int
    """Number of the way in which colours are sampled, 1: 4:2:0."""
    depth: int
    """Bits of a sample."""
    is_progressive: bool
    """False: frames may consist of two fields."""
    window_at: tuple[int, int]
    """The bits, behind the start of the set, that say the window."""
    colours: int | None
    """Number of the colour space, 2 where none is said; None: not looked for, in HEVC."""


def shown_window(codec: str, extradata: bytes) -> Window:
    """The window of an H.264 or HEVC stream, from its headers as a container has them: avcC, hvcC, or start codes.

    Raises ValueError where they cannot be understood or do not agree.
    """
    found = {read_set(codec, one).window for one in sequence_sets(codec, extradata)}
    if len(found) != 1:
        raise ValueError(f"the headers say {len(found)} sizes")
    return found.pop()


def sequence_sets(codec: str, extradata: bytes) -> list[bytes]:
    """The sequence parameter sets in the headers of a container. Raises ValueError."""
    try:
        return [unit for unit in header_units(codec, extradata) if type_of(unit, codec) == PARAMETERS[codec]]
    except IndexError as error:
        raise ValueError("a header is cut off") from error


def read_set(codec: str, unit: bytes) -> Sequence:
    """Read a sequence parameter set. Raises ValueError."""
    read = {"h264": _h264_sequence, "hevc": _hevc_sequence}[codec]
    sequence = read(Bits(plain(unit)))
    if min(sequence.window.width, sequence.window.height) < 1:
        raise ValueError(f"nothing is shown of {sequence.window.coded}")
    return sequence


def plain(unit: bytes) -> bytes:
    """A parameter set without the bytes that keep it from looking like a start code; of a long one the beginning."""
    return unit[:_LONGEST].replace(b"\0\0\3", b"\0\0")


def _h264_sequence(bits: Bits) -> Sequence:
    """ITU-T H.264, 7.3.2.1.1 and table 6-1."""
    bits.read(8)
    profile, _ = bits.read(8), bits.read(16)
    bits.golomb()
    chroma, depth = 1, 8
    if profile in _HIGH_PROFILES:
        chroma = bits.golomb()
        if chroma == 3:
            bits.read(1)
        depth += max(bits.golomb(), bits.golomb())
        bits.read(1)
        if bits.read(1):
            for number in range(8 if chroma != 3 else 12):
                if bits.read(1):
                    _skip_scaling_list(bits, 16 if number < 6 else 64)
    bits.golomb()
    order = bits.golomb()
    if order == 0:
        bits.golomb()
    elif order == 1:
        bits.read(1)
        bits.signed_golomb()
        bits.signed_golomb()
        for _ in range(bits.golomb()):
            bits.signed_golomb()
    bits.golomb()
    bits.read(1)
    columns, rows, frames_only = bits.golomb() + 1, bits.golomb() + 1, bits.read(1)
    if not frames_only:
        bits.read(1)
    bits.read(1)
    fields = 2 - frames_only
    window, place = _window(bits, (16 * columns, 16 * rows * fields), chroma, fields)
    return Sequence(window, chroma, depth, bool(frames_only), place, _h264_colours(bits))


def _h264_colours(bits: Bits) -> int:
    """ITU-T H.264, E.1.1."""
    if not bits.read(1):
        return _UNSAID
    if bits.read(1) and bits.read(8) == 255:
        bits.read(32)
    if bits.read(1):
        bits.read(1)
    if not bits.read(1):
        return _UNSAID
    bits.read(4)
    return bits.read(24) & 0xFF if bits.read(1) else _UNSAID


def _skip_scaling_list(bits: Bits, size: int) -> None:
    last = following = 8
    for _ in range(size):
        if following:
            following = (last + bits.signed_golomb()) % 256
        last = following or last


def _hevc_sequence(bits: Bits) -> Sequence:
    """ITU-T H.265, 7.3.2.2.1 and 7.3.3."""
    bits.read(16 + 4)
    layers = bits.read(3)
    bits.read(1 + 40)
    bits.read(1)
    is_interlaced = bits.read(1)
    bits.read(46 + 8)
    present = [(bits.read(1), bits.read(1)) for _ in range(layers)]
    if layers:
        bits.read(2 * (8 - layers))
    for has_profile, has_level in present:
        bits.read(88 * has_profile + 8 * has_level)
    bits.golomb()
    chroma = bits.golomb()
    if chroma == 3:
        bits.read(1)
    window, place = _window(bits, (bits.golomb(), bits.golomb()), chroma, 1)
    depth = 8 + max(bits.golomb(), bits.golomb())
    return Sequence(window, chroma, depth, not is_interlaced, place, None)


def _window(bits: Bits, coded: tuple[int, int], chroma: int, fields: int) -> tuple[Window, tuple[int, int]]:
    """The window, and the bits that say it: a flag, and numbers that count samples of colour."""
    start = bits.position
    across, down = (2 if chroma in (1, 2) else 1), (2 if chroma == 1 else 1) * fields
    left, right, top, bottom = (bits.golomb() for _ in range(4)) if bits.read(1) else (0, 0, 0, 0)
    width, height = coded[0] - across * (left + right), coded[1] - down * (top + bottom)
    return Window(coded, across * left, down * top, width, height), (start, bits.position)
