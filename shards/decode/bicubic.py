"""Bicubic scaling with the pixels of Pillow: by a compiled helper where it was built, else by Pillow.

The helper (`_bicubic.c`, built with the package where there is a C compiler and a processor with AVX2) takes a fifth of
the time of Pillow, and makes no more than the part of the scaled picture that is wanted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from PIL import Image

_GAP = 3.0
"""Pillow's reducing_gap: a picture that shrinks by twice this or more is first reduced by a whole number."""
Size = tuple[int, int]
Part = tuple[int, int, int, int]
Box = tuple[float, float, float, float]


def scaled(
    picture: Image.Image | NDArray[np.uint8], size: Size, part: Part | None = None, box: Box | None = None
) -> NDArray[np.uint8]:
    """A part of a scaled RGB picture: uint8 (h, w, 3), contiguous, in memory of its own.

    picture: an array has the shape (H, W, 3). size: (height, width) of the whole result. part: (top, left, height,
    width) of it; None: all. box: (left, top, right, bottom) of the picture, also between pixels, which is scaled
    instead of all of it. Raises ValueError for sizes that make no sense.
    """
    width, height = picture.shape[1::-1] if isinstance(picture, np.ndarray) else picture.size
    box, part = box or (0, 0, width, height), part or (0, 0, *size)
    top, left, rows, columns = part
    if not (0 <= top < top + rows <= size[0] and 0 <= left < left + columns <= size[1]):
        raise ValueError(f"a picture of {size} (height, width) has no part {part} (top, left, height, width)")
    if not (0 <= box[0] < box[2] <= width and 0 <= box[1] < box[3] <= height):
        raise ValueError(f"a picture of {height} x {width} has no box {box} (left, top, right, bottom)")
    shrinks_by = max((box[2] - box[0]) / size[1], (box[3] - box[1]) / size[0])
    if scale is None or shrinks_by >= 2 * _GAP:
        return _scaled_by_pillow(picture, size, part, box)
    found = np.empty((rows, columns, 3), np.uint8)
    scale(np.ascontiguousarray(picture), (height, width), box, size, part, found)
    return found


def _scaled_by_pillow(picture: Image.Image | NDArray[np.uint8], size: Size, part: Part, box: Box) -> NDArray[np.uint8]:
    from PIL import Image

    image = Image.fromarray(picture) if isinstance(picture, np.ndarray) else picture
    whole = np.asarray(image.resize(size[::-1], Image.Resampling.BICUBIC, box, reducing_gap=_GAP))
    top, left, height, width = part
    return whole[top : top + height, left : left + width].copy()


try:
    from shards.decode._bicubic import scale
except ImportError:  # no C compiler where the package was installed, or another processor
    scale = None
