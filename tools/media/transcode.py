"""Make one medium smaller and faster to decode, as a profile says.

Promises: `transcode` is a function of (bytes, extension, profile): no state, one thread, the same bytes each time with
the same version of PyAV. Pixels come out upright (the rotation of the container or EXIF is applied and its mark gone)
and are never scaled up, but that sides of videos become multiples of 16; frames keep their own times, counted from the
first; sound is dropped. Whatever is wrong with the input is a MediaError. Facts and GOP table are probed from what came
out.

- A video becomes an MP4 (mp4_writer.py) or, by a frames profile, a frame sample (pictures.py).
- A picture becomes a JPEG where that takes a tenth less bytes at least; else it stays as it is, byte for byte.
- A frame sample stays as it is.
Loss adds up: transcode what came from the camera, not what was transcoded.
"""

from __future__ import annotations

from dataclasses import dataclass

from shards.media import KeyFrames, MediaFacts, probe_table
from tools.media.pictures import make_frames, make_picture
from tools.media.profiles import FramesProfile, Profile, VideoProfile
from tools.media.video import make_video


@dataclass(frozen=True, slots=True)
class Transcoded:
    """A medium after transcoding."""

    media: bytes
    ext: str
    facts: MediaFacts
    key_frames: KeyFrames
    frames: tuple[int, ...]
    """Numbers of the frames of the input that are kept."""


def transcode(data: bytes, ext: str, profile: Profile) -> Transcoded:
    """Transcode one medium. ext: its extension. Raises MediaError."""
    facts, table = probe_table(data, f"x.{ext}")
    if facts.kind == "video" and isinstance(profile, VideoProfile):
        media, frames = make_video(data, facts.duration, profile)
        ext = "mp4"
    elif facts.kind == "video":
        assert isinstance(profile, FramesProfile)
        media, frames = make_frames(data, facts, KeyFrames.of(table).without_marks(), profile)
        ext = "zip"
    else:
        smaller = make_picture(data, profile) if facts.kind == "image" else None
        if smaller is None:
            return Transcoded(data, ext, facts, KeyFrames.of(table), tuple(range(facts.num_frames)))
        media, frames, ext = smaller, [0], "jpg"
    facts, table = probe_table(media, f"x.{ext}")
    return Transcoded(media, ext, facts, KeyFrames.of(table), tuple(frames))
