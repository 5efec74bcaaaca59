"""The headers of an H.264 or HEVC stream whose frames need no look at: 8 bits, 4:2:0, whole frames, known colours.

Encoders with the same settings write the same headers, so what is found is kept for the next clips.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

from shards.decode.packing.coded_size import Sequence, Window, plain, read_set, sequence_sets
from shards.decode.packing.units import length_bytes


class PlainHeader(NamedTuple):
    """What is known of a stream by its headers."""

    window: Window
    colours: int
    """Number of the colour space, 2 where none is said."""
    length_bytes: int
    """Bytes of the length in front of each unit of its packets."""
    headers: bytes
    """The same headers, by which the whole coded pictures are shown."""


@lru_cache(1024)
def plain_header(codec: str, extradata: bytes) -> PlainHeader | None:
    """The header of a stream whose frames can be given to NVDEC unseen; None: they have to be looked at.

    extradata: avcC or hvcC.
    """
    try:
        num_bytes = length_bytes(codec, extradata)
        sets = sequence_sets(codec, extradata)
        if not num_bytes or len(sets) != 1:
            return None
        sequence = read_set(codec, sets[0])
        if (sequence.chroma, sequence.depth, sequence.is_progressive) != (1, 8, True):
            return None
        headers = extradata
        if sequence.window.coded != sequence.window[3:]:
            headers = _with_size(extradata, sets[0], _without_window(sets[0], sequence))
    except (ValueError, IndexError):
        return None
    colours = _hevc_colours(extradata) if sequence.colours is None else sequence.colours
    return None if colours is None else PlainHeader(sequence.window, colours, num_bytes, headers)


def _without_window(unit: bytes, sequence: Sequence) -> bytes:
    """A sequence parameter set that says no window."""
    bits = plain(unit)
    value, length = int.from_bytes(bits, "big"), 8 * len(bits)
    start, stop = sequence.window_at
    tail = length - stop
    changed = (value >> length - start) << tail + 1 | value & (1 << tail) - 1
    padding = -(start + 1 + tail) % 8
    whole = (changed << padding).to_bytes((start + 1 + tail + padding) // 8, "big").rstrip(b"\0")
    # What would look like a start code is kept apart (ITU-T H.264, 7.4.1).
    return re.sub(rb"\0\0(?=[\0-\3])", b"\0\0\3", whole)


def _with_size(extradata: bytes, unit: bytes, other: bytes) -> bytes:
    """The headers with another unit in the place of one; lengths are in front of them."""
    before, after = (len(one).to_bytes(2, "big") + one for one in (unit, other))
    if extradata.count(before) != 1:
        raise ValueError("the headers have a unit twice")
    return extradata.replace(before, after)


def _hevc_colours(extradata: bytes) -> int | None:
    """What FFmpeg's decoder reads in the headers: in HEVC colours come behind all else."""
    from av import CodecContext, FFmpegError

    try:
        context = CodecContext.create("hevc", "r")
        context.thread_count = 1
        context.extradata = extradata
        context.open()
    except FFmpegError:
        return None
    return int(context.colorspace)
