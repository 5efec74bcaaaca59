"""Limits of what is decoded: sizes of pictures and frames, and frames that a stream may lack at its end."""

from __future__ import annotations

from shards.base.errors import MediaError

MAX_SIDE = 16384
MAX_PIXELS = 80_000_000
"""Limits of a picture, pixels."""
MAX_VIDEO_PIXELS = 36_000_000
"""Limit of a frame of a video, pixels; 8K has 35 million. A decoder may hold 17 of them."""
_SHORT_FRAMES, _SHORT_SHARE = 2, 0.02


def tolerated_loss(promised: int) -> int:
    """Frames that a stream may end too early: containers promise a frame or two that never come."""
    return max(_SHORT_FRAMES, int(_SHORT_SHARE * promised))


def check_size(width: int, height: int, max_pixels: int = MAX_PIXELS) -> None:
    """Refuse frames that would take too much memory."""
    if width > MAX_SIDE or height > MAX_SIDE or width * height > max_pixels:
        raise MediaError(f"{width}x{height} pixels are too many; limits: {MAX_SIDE} a side, {max_pixels} in all")
