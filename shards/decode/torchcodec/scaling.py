"""Decoded frames scaled, cropped and mirrored as a plan says, by the same bicubic filter on the CPU and on a GPU."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from shards.decode.bicubic import scaled
from shards.decode.mirror import mirrored
from shards.media.clip_plan import ClipPlan

if TYPE_CHECKING:
    from torch import Tensor


def scaled_array(frames: NDArray[np.uint8], plan: ClipPlan) -> NDArray[np.uint8]:
    """Frames, uint8 (T, H, W, 3), as the clip of a plan, in memory of its own."""
    clip = np.empty(plan.shape, np.uint8)
    for place, frame in enumerate(frames):
        picture = scaled(frame, plan.resize, plan.crop)
        clip[place] = mirrored(picture) if plan.flip else picture
    return clip


def scaled_tensor(frames: Tensor, plan: ClipPlan) -> Tensor:
    """The same with a tensor, on its device. Frames are scaled one by one: as numbers that can be scaled there they
    take four times their memory."""
    import torch
    from torch.nn.functional import interpolate

    top, left, height, width = plan.crop
    clip = torch.empty(plan.shape, dtype=torch.uint8, device=frames.device)
    for place, frame in enumerate(frames):
        (whole,) = interpolate(frame.permute(2, 0, 1)[None].float(), plan.resize, mode="bicubic", antialias=True)
        part = whole[:, top : top + height, left : left + width]
        part = part.flip(2) if plan.flip else part
        clip[place] = part.round().clamp(0, 255).permute(1, 2, 0)
    return clip
