"""The facts of a medium of any kind and its GOP table, read from its bytes.

Promises: whatever the bytes are, the answer is facts or a MediaError with a reason. Containers are opened from memory
with an allow-list of formats and no protocols, so a playlist or a reference inside a file leads nowhere; pictures only
with formats that Pillow decodes itself. Sizes are checked before anything is decoded (decompression bombs).
Facts describe what decoding will give: width and height after the rotation that the container or EXIF asks for, the
first frame really decoded, frames counted by demuxing, from the first that is shown
(shards/media/videos/video_facts.py; a header may be wrong, and decoding everything would cost 50 times more).
Non-square pixels are not stretched. A cover picture inside an audio file is not a video. An animated GIF is a video,
any other animated picture is its first frame.
Not found here: damage behind the first frame; decoding finds it.
"""

from __future__ import annotations

from shards.base.errors import MediaError
from shards.media.facts import TIME_MARK, KeyFrame, MediaFacts
from shards.media.kinds import KINDS, MEDIA_EXTENSIONS, kind_of
from shards.media.pictures.picture_facts import is_animated


def probe(data: bytes, name: str) -> MediaFacts:
    """Read the facts of a medium. The extension of the file name says what kind it is. Raises MediaError."""
    return probe_table(data, name)[0]


def probe_key_frames(data: bytes, name: str) -> tuple[MediaFacts, list[KeyFrame]]:
    """Read the facts of a medium and its key frames in presentation order; a picture has none. Raises MediaError."""
    facts, table = probe_table(data, name)
    return facts, [frame for frame in table if frame.offset != TIME_MARK]


def probe_table(data: bytes, name: str) -> tuple[MediaFacts, list[KeyFrame]]:
    """Read the facts of a medium and the GOP table that an index keeps: key frames and, where frames last unequally
    long, time marks (shards/media/videos/time_marks.py). Raises MediaError."""
    ext = name.rsplit(".", 1)[-1].lower()
    if ext not in MEDIA_EXTENSIONS:
        raise MediaError(f"unknown extension {ext!r}; known: {', '.join(MEDIA_EXTENSIONS)}")
    if not data:
        raise MediaError("is empty (0 bytes)")
    kind = kind_of(ext)
    if ext == "gif" and is_animated(data):
        kind = KINDS["video"]  # the one extension that two kinds share
    assert kind.probe is not None, "kinds with extensions can be probed"
    return kind.probe(data)
