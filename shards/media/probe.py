"""The facts and key frames of a medium of any kind, read from its bytes."""

from __future__ import annotations

from shards.base.errors import MediaError
from shards.media.facts import TIME_MARK, KeyFrame, MediaFacts
from shards.media.kinds import FRAMES_EXTENSIONS, MEDIA_EXTENSIONS, VIDEO_EXTENSIONS


def probe(data: bytes, name: str) -> MediaFacts:
    """Read the facts of a medium. The extension of the file name says what kind it is. Raises MediaError."""
    return probe_key_frames(data, name)[0]


def probe_key_frames(data: bytes, name: str) -> tuple[MediaFacts, list[KeyFrame]]:
    """The facts of a medium and its key frames in presentation order, found by demuxing; none for pictures."""
    facts, table = probe_table(data, name)
    return facts, [frame for frame in table if frame.offset != TIME_MARK]


def probe_table(data: bytes, name: str) -> tuple[MediaFacts, list[KeyFrame]]:
    """The same with what an index has besides in its GOP tables: time marks, where frames last unequally long
    (shards/media/videos/time_marks.py)."""
    ext = name.rsplit(".", 1)[-1].lower()
    if ext not in MEDIA_EXTENSIONS:
        raise MediaError(f"unknown extension {ext!r}; known: {', '.join(MEDIA_EXTENSIONS)}")
    if not data:
        raise MediaError("is empty (0 bytes)")
    from shards.media.pictures.picture import is_animated, probe_image
    from shards.media.videos.video_facts import probe_video, with_marks

    if ext in VIDEO_EXTENSIONS or (ext == "gif" and is_animated(data)):
        return probe_video(data)
    if ext in FRAMES_EXTENSIONS:
        from shards.media.frames import FramePictures, probe_frames

        facts = probe_frames(data)
        return facts, with_marks([], FramePictures(data).times, facts.duration)
    return probe_image(data), []
