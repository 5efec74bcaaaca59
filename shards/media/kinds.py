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

VIDEO_EXTENSIONS = ("mp4", "webm", "mkv", "avi", "mov", "m4v", "mpg", "mpeg", "ts", "flv", "ogv", "ogg", "3gp", "wmv")
IMAGE_EXTENSIONS = ("jpg", "jpeg", "png", "webp", "gif", "bmp", "tif", "tiff", "avif")
FRAMES_EXTENSIONS = ("zip",)
"""Of frame samples, shards/media/frames.py."""
MEDIA_EXTENSIONS = VIDEO_EXTENSIONS + IMAGE_EXTENSIONS + FRAMES_EXTENSIONS


# FFmpeg then opens no decoder of its own (ours it does not ask) and reads no further than the first packet.


def kind_of(ext: str) -> str:
    """What a medium with this extension is by its name: "video", "image" or "frames"."""
    ext = ext.rpartition(".")[2]
    return "video" if ext in VIDEO_EXTENSIONS else "frames" if ext in FRAMES_EXTENSIONS else "image"


# ---------------------------------------------------------------- video
