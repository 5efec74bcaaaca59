"""Clips of frames that were decoded beforehand: choose, scale, cut, mirror; no video decoder.

A frame that has the planned size is copied, bit for bit; of any other only the crop is scaled, which gives what
scaling all of it gives, but for the rounding of some pixels, in half the time.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from shards.base.errors import MediaError
from shards.decode.bicubic import scaled
from shards.decode.mirror import mirrored
from shards.decode.pictures import decode_picture
from shards.media.clip_plan import ClipPlan
from shards.media.mapped import MappedFrames


def decode_mapped(media: MappedFrames, plan: ClipPlan) -> NDArray[np.uint8]:
    """Decode the frames of a plan: uint8 (T, H, W, 3), RGB. A frame that the plan repeats is read once.

    Raises MediaError.
    """
    frames = np.empty(plan.shape, np.uint8)
    one = replace(plan, frames=(0,))
    for number in sorted(set(plan.frames)):
        if not 0 <= number < media.num_frames:
            raise MediaError(f"frame {number} was planned but {media.num_frames} are stored")
        picture = media.get(number)
        finished = decode_picture(picture, one)[0] if isinstance(picture, bytes) else _finish(picture, plan)
        for place, wanted in enumerate(plan.frames):
            if wanted == number:
                frames[place] = finished
    return frames


def _finish(picture: NDArray[np.uint8], plan: ClipPlan) -> NDArray[np.uint8]:
    top, left, height, width = plan.crop
    if picture.shape[:2] == plan.resize:
        picture = picture[top : top + height, left : left + width]
    else:
        down, right = (have / want for have, want in zip(picture.shape, plan.resize, strict=False))
        bottom, end = (top + height) * down, (left + width) * right
        box = left * right, top * down, min(end, picture.shape[1]), min(bottom, picture.shape[0])
        picture = scaled(picture, (height, width), box=box)
    return mirrored(picture) if plan.flip else picture
