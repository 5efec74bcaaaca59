"""What a medium is (kind, codec, size, frames), and the one way in which encoded bytes are opened.

Promises: whatever the bytes are, the answer is facts or a MediaError with a reason. Containers are opened from memory
with an allow-list of formats and no protocols, so a playlist or a reference inside a file leads nowhere; pictures only
with formats that Pillow decodes itself. Sizes are checked before anything is decoded (decompression bombs).
Facts describe what decoding will give: width and height after the rotation that the container or EXIF asks for, the
first frame really decoded, frames counted by demuxing, from the first that is shown
(shards/media/videos/video_facts.py; a header may lie, and decoding everything would cost 50 times more).
Non-square pixels are not stretched. A cover picture inside an audio file is not a video. An animated GIF is a video,
any other animated picture is its first frame.
Not caught here: damage behind the first frame; decode finds it.
"""

from __future__ import annotations

from typing import NamedTuple

from shards.base.errors import MediaError

VIDEO_EXTENSIONS = ("mp4", "webm", "mkv", "avi", "mov", "m4v", "mpg", "mpeg", "ts", "flv", "ogv", "ogg", "3gp", "wmv")
IMAGE_EXTENSIONS = ("jpg", "jpeg", "png", "webp", "gif", "bmp", "tif", "tiff", "avif")
FRAMES_EXTENSIONS = ("zip",)
"""Of frame samples, shards/media/frames.py."""
MEDIA_EXTENSIONS = VIDEO_EXTENSIONS + IMAGE_EXTENSIONS + FRAMES_EXTENSIONS

MAX_SIDE = 16384
MAX_PIXELS = 80_000_000
"""Limits of a picture, pixels."""
MAX_VIDEO_PIXELS = 36_000_000
"""Limit of a frame of a video, pixels; 8K has 35 million. A decoder may hold 17 of them."""

_SHORT_FRAMES, _SHORT_SHARE = 2, 0.02

SEEKABLE_EXTENSIONS = ("mp4", "m4v", "mov", "3gp", "mkv", "webm")
SEEKABLE_CODECS = ("h264", "hevc", "vp8", "vp9", "av1", "mpeg4")
"""Formats that say where a frame lies, so that it is found without reading all before it, and codecs whose decoders
give a frame for every packet; decode/seek.py says what else must be true."""
# FFmpeg then opens no decoder of its own (ours it does not ask) and reads no further than the first packet.


def tolerated_loss(promised: int) -> int:
    """Frames that a stream may end too early: containers promise a frame or two that never come."""
    return max(_SHORT_FRAMES, int(_SHORT_SHARE * promised))


class Orientation(NamedTuple):
    """How a stored frame is turned for display: mirrored left to right first, then quarter turns anticlockwise."""

    mirror: bool = False
    quarter_turns: int = 0

    @property
    def swaps_sides(self) -> bool:
        return self.quarter_turns % 2 == 1


def kind_of(ext: str) -> str:
    """What a medium with this extension is by its name: "video", "image" or "frames"."""
    ext = ext.rpartition(".")[2]
    return "video" if ext in VIDEO_EXTENSIONS else "frames" if ext in FRAMES_EXTENSIONS else "image"


# ---------------------------------------------------------------- video


def check_size(width: int, height: int, max_pixels: int = MAX_PIXELS) -> None:
    """Refuse frames that would take too much memory."""
    if width > MAX_SIDE or height > MAX_SIDE or width * height > max_pixels:
        raise MediaError(f"{width}x{height} pixels are too many; limits: {MAX_SIDE} a side, {max_pixels} in all")
