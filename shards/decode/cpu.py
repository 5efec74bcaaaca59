"""Decode clips on the CPU: FFmpeg (PyAV) for video, Pillow for pictures and frame samples.

Promises: the frames of the plan and no others, exact by number in presentation order; a frame that the plan repeats is
decoded once. A video whose GOP table is known is decoded from the key frames before the planned frames, where that is
known to give the same (seek.py); any other from its start, because seeking lands on wrong frames in enough real files
(MPEG-PS, open GOPs). Decoding goes no further than the last planned frame.
One codec thread; FFmpeg and Pillow release the GIL, so threads decode clips side by side.
The rotation that a container or EXIF asks for is applied. Whatever is wrong with the bytes is a MediaError.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from shards.base.errors import MediaError
from shards.decode.augment import apply_ops
from shards.decode.clip_frames import ClipFrames
from shards.decode.linear import decode_from_start
from shards.decode.mapped import decode_mapped
from shards.decode.pictures import decode_frame_sample, decode_picture
from shards.decode.seek import NotAsIndexed, find_frames
from shards.media.clip_plan import ClipPlan
from shards.media.mapped import MappedFrames
from shards.media.medium import Media, whole
from shards.media.partial import PartialMedium


def decode(media: Media, kind: str, plan: ClipPlan) -> NDArray[np.uint8]:
    """Decode a clip: uint8 (T, H, W, 3), RGB, contiguous, as plan.shape says.

    Containers promise a frame or two that never come. So, if a stream ends without an error and at most 2 frames or 2 %
    (whichever is more) before the promised number, its last frame stands in for the missing ones. A planned frame that
    is missing beyond that, or lies behind a decoding error, raises MediaError with both numbers.
    A picture has frame 0 only.
    """
    frames = apply_ops(_decode(media, kind, plan), plan.ops)
    return np.repeat(frames, len(plan.frames), axis=0) if kind == "image" else frames


def _decode(media: Media, kind: str, plan: ClipPlan) -> NDArray[np.uint8]:
    """The frames without plan.ops; of a picture once."""
    if isinstance(media, MappedFrames):
        return decode_mapped(media, plan, decode_picture)
    if kind == "video":
        return _decode_video(media, plan)
    if kind == "image":
        return decode_picture(whole(media), plan)
    if kind == "frames":
        return decode_frame_sample(whole(media), plan)
    raise ValueError(f"kind is {kind!r}, allowed are 'video', 'image' and 'frames'")


def _decode_video(media: bytes | PartialMedium, plan: ClipPlan) -> NDArray[np.uint8]:
    if isinstance(media, bytes):
        return decode_from_start(media, plan)
    media.bring(plan.frames)
    clip = ClipFrames(plan)
    try:
        for number, frame in find_frames(media, sorted(clip.slots)):
            clip.take(number, frame)
        if clip.slots:
            raise NotAsIndexed(f"frame {min(clip.slots)} did not come")
        return clip.frames
    except (NotAsIndexed, MediaError):
        # Whatever is odd, the linear way decides what the clip is, or what is wrong with it.
        return decode_from_start(media.whole(), plan)
    finally:
        if media.error is not None:
            raise media.error
