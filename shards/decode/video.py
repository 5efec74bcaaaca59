"""Decode clips of videos with FFmpeg: from the key frames before the planned frames, or from the start.

Promises: the frames of the plan, exact by number in presentation order; a frame that the plan repeats is decoded once.
A video whose GOP table is known is decoded from the key frames before the planned frames, where that is known to give
the same (seek.py); any other from its start (linear.py), because seeking lands on wrong frames in enough real files
(MPEG-PS, open GOPs). Decoding goes no further than the last planned frame.
One codec thread for each clip.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from shards.base.errors import MediaError
from shards.decode.clip_frames import ClipFrames
from shards.decode.linear import decode_from_start
from shards.decode.seek import NotAsIndexed, find_frames
from shards.media.clip_plan import ClipPlan
from shards.media.medium import Media, whole
from shards.media.partial import PartialMedium


def decode_video(media: Media, plan: ClipPlan) -> NDArray[np.uint8]:
    """Decode the frames of a plan: uint8 (T, H, W, 3), RGB, without plan.ops. Raises MediaError, SourceError.

    Containers promise a frame or two that never come. So, if a stream ends without an error and at most 2 frames or 2 %
    (whichever is more) before the promised number, its last frame stands in for the missing ones. A planned frame that
    is missing beyond that, or lies behind a decoding error, raises MediaError with both numbers.
    """
    if not isinstance(media, PartialMedium):
        return decode_from_start(whole(media), plan)
    media.bring(plan.frames)
    clip = ClipFrames(plan)
    try:
        for number, frame in find_frames(media, sorted(clip.slots)):
            clip.take(number, frame)
        if clip.slots:
            raise NotAsIndexed(f"frame {min(clip.slots)} did not come")
        return clip.frames
    except (NotAsIndexed, MediaError):
        # Whatever is odd, linear decoding decides what the clip is, or what is wrong with it.
        return decode_from_start(media.whole(), plan)
    finally:
        if media.error is not None:
            raise media.error
