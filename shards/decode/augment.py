"""Apply the operations that RandAugment drew for a clip: the last step of every decoder, the same for all of them.

Promises: the operations of a plan in their order, the same on all frames, by torchvision; an array and a tensor of the
same clip give the same pixels, on the CPU. Pixels uncovered by a shear, shift or rotation become gray (128), as in the
releases (docs/facts/mcg_alpro.md 4.5); the others are interpolated bilinearly. Contrast is about the mean of each
frame. Torch is imported when there is something to do.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, overload

import numpy as np
from numpy.typing import NDArray

from shards.media.randaugment import Op

if TYPE_CHECKING:
    from torch import Tensor

_GRAY = [128.0, 128.0, 128.0]


@overload
def apply_ops(frames: NDArray[np.uint8], ops: Sequence[Op]) -> NDArray[np.uint8]: ...
@overload
def apply_ops(frames: Tensor, ops: Sequence[Op]) -> Tensor: ...
def apply_ops(frames: NDArray[np.uint8] | Tensor, ops: Sequence[Op]) -> NDArray[np.uint8] | Tensor:
    """Change frames, uint8 (T, H, W, 3); gives the same kind on the same device, contiguous. Without ops: `frames`."""
    if not ops:
        return frames
    if isinstance(frames, np.ndarray):
        import torch

        return apply_ops(torch.from_numpy(np.require(frames, requirements=["C", "W"])), ops).numpy()
    clip = frames.permute(0, 3, 1, 2)
    for op in ops:
        clip = _apply(clip, op)
    return clip.permute(0, 2, 3, 1).contiguous()


def _apply(clip: Tensor, op: Op) -> Tensor:
    """clip: (T, 3, H, W)."""
    from torchvision.transforms.v2 import functional

    match op.name:
        case "brightness":
            return functional.adjust_brightness(clip, op.strength)
        case "contrast":
            return functional.adjust_contrast(clip, op.strength)
        case "sharpness":
            return functional.adjust_sharpness(clip, op.strength)
        case "shear_x":
            return _warp(clip, shear=(op.strength, 0))
        case "shear_y":
            return _warp(clip, shear=(0, op.strength))
        case "translate_x":
            return _warp(clip, shift=(op.strength, 0))
        case "translate_y":
            return _warp(clip, shift=(0, op.strength))
        case "rotate":
            return _warp(clip, degrees=op.strength)
        case "flip":
            return functional.horizontal_flip(clip)
    raise ValueError(f"unknown operation {op.name!r}")


def _warp(
    clip: Tensor, degrees: float = 0, shift: tuple[float, float] = (0, 0), shear: tuple[float, float] = (0, 0)
) -> Tensor:
    """degrees anticlockwise about the middle; shift to the right and down, pixels; shear as slopes about the upper left
    corner, to the right and down. torchvision turns and shears the other way round."""
    from torchvision.transforms import InterpolationMode
    from torchvision.transforms.v2 import functional

    return functional.affine(
        clip,
        angle=-degrees,
        translate=list(shift),
        scale=1.0,
        shear=[-math.degrees(math.atan(slope)) for slope in shear],
        interpolation=InterpolationMode.BILINEAR,
        fill=_GRAY,
        center=[0.0, 0.0] if any(shear) else None,
    )
