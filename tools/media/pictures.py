"""Make pictures small, and a frame sample of a video: pictures of the frames in the middles of equal parts."""

from __future__ import annotations

import io

import numpy as np
from numpy.typing import NDArray

from shards.media import (
    ClipPlan,
    KeyFrames,
    Media,
    MediaFacts,
    PartialMedium,
    frame_times,
    open_image,
    pack_frames,
    usable,
)
from tools.media.profiles import FramesProfile, Profile, fit

_KEPT_SHARE = 0.9
"""A picture stays as it is unless the JPEG has at most this share of its bytes."""


def make_frames(data: bytes, facts: MediaFacts, table: KeyFrames, profile: FramesProfile) -> tuple[bytes, list[int]]:
    """A frame sample, and the numbers of its frames."""
    from shards.decode import decode

    times = frame_times(data)
    numbers = profile.keep(range(facts.num_frames))
    width, height = fit(facts.width, facts.height, profile.short_side)
    media: Media = PartialMedium.of_bytes(data, table) if usable(table, len(data)) else data
    clip = decode(media, "video", ClipPlan(tuple(numbers), (height, width), (0, 0, height, width)))
    kind, ext = ("WEBP", "webp") if profile.picture == "webp" else ("JPEG", "jpg")
    pictures = [_save(frame, kind, profile.used_quality) for frame in clip]
    since = [times[number] - times[0] for number in numbers]
    fps = len(numbers) / facts.duration if facts.duration else 0.0
    return pack_frames(pictures, ext, round(fps, 6), round(facts.duration, 6), [round(t, 6) for t in since]), numbers


def make_picture(data: bytes, profile: Profile) -> bytes | None:
    """A picture as JPEG; None where that does not save a tenth of its bytes."""
    from shards.decode import decode

    with open_image(data) as (image, turn):
        width, height = image.size[::-1] if turn.swaps_sides else image.size
    width, height = fit(width, height, profile.short_side)
    (picture,) = decode(data, "image", ClipPlan((0,), (height, width), (0, 0, height, width)))
    saved = _save(picture, "JPEG", profile.picture_quality)
    return saved if len(saved) <= _KEPT_SHARE * len(data) else None


def _save(picture: NDArray[np.uint8], kind: str, quality: int) -> bytes:
    from PIL import Image

    out = io.BytesIO()
    Image.fromarray(picture).save(out, kind, quality=quality)
    return out.getvalue()
