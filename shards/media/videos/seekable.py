"""Videos that can be decoded from a key frame in the middle: containers, codecs, and GOP tables that make sense."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from shards.media.facts import KeyFrames


SEEKABLE_EXTENSIONS = ("mp4", "m4v", "mov", "3gp", "3g2", "mkv", "webm")
SEEKABLE_CODECS = ("h264", "hevc", "vp8", "vp9", "av1", "mpeg4")
"""Formats that say where a frame lies, so that it is found without reading all before it, and codecs whose decoders
give a frame for every packet; decode/seek.py says what else must be true."""


_MAX_SECONDS = 1 << 31
"""Larger times would not fit into the demuxers' clocks."""


def usable(key_frames: KeyFrames | None, size: int) -> bool:
    """True if a GOP table makes sense for a medium of this size."""
    if key_frames is None or len(key_frames.frames) < 1 or len({len(column) for column in key_frames}) != 1:
        return False
    numbers, times, offsets = key_frames
    return (
        numbers[0] == 0
        and all(a < b for a, b in pairwise(numbers))
        and all(a < b for a, b in pairwise(times))
        and all(abs(time) < _MAX_SECONDS for time in times)
        and min(offsets) >= 0
        and max(offsets) < size
        and len(set(offsets)) == len(offsets)
    )
