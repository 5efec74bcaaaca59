"""Pictures and frame samples decoded by Pillow."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from shards.decode.bicubic import scaled
from shards.decode.clip_frames import turn_and_crop
from shards.decode.mirror import mirrored
from shards.media.clip_plan import ClipPlan
from shards.media.frames import FramePictures
from shards.media.pictures.colours import to_rgb
from shards.media.pictures.picture import open_image
from shards.media.rotation import Orientation


def decode_frame_sample(media: bytes, plan: ClipPlan) -> NDArray[np.uint8]:
    """Decode the planned pictures of a frame sample: uint8 (T, H, W, 3), RGB, without plan.ops. Raises MediaError."""
    stored, frames = FramePictures(media), np.empty(plan.shape, np.uint8)
    for number, where in plan.slots().items():
        frames[where] = decode_picture(stored.picture(number), replace(plan, frames=(0,)))
    return frames


def decode_picture(media: bytes, plan: ClipPlan) -> NDArray[np.uint8]:
    """Decode a picture once, however often the plan repeats it: uint8 (1, H, W, 3), RGB, without plan.ops.

    In memory of its own, perhaps not contiguous. Raises MediaError.
    """
    wrong = [number for number in plan.frames if number != 0]
    if wrong or not plan.frames:
        raise ValueError(f"the plan asks a picture for frames {plan.frames}; a picture has frame 0 only")
    with open_image(media) as (image, turn):
        height, width = size = plan.resize[::-1] if turn.swaps_sides else plan.resize
        # JPEG only: decode at 1/2, 1/4 or 1/8 where that still leaves enough, by default twice, for a clean resize.
        image.draft(None, (plan.jpeg_margin * width, plan.jpeg_margin * height))
        rgb = to_rgb(image)
        if turn != Orientation():
            return turn_and_crop(scaled(rgb, size), plan, turn)[None]
        picture = scaled(rgb, size, plan.crop)
    return (mirrored(picture) if plan.flip else picture)[None]
