"""Boxes: the parts of a frame that are looked at, as (left, top, right, bottom) in shares of its width and height.

A frame that was cropped equals a box of the original. The boxes here lie so near each other that for a crop of about a
tenth, at any side or all, one of them is within two hundredths of it, and tools/duplicates/align.py finds the rest.
The upper and the lower half are for logos and lines of text, which leave one of the two as it was.
"""

from __future__ import annotations

from functools import cache
from itertools import product

import numpy as np
from numpy.typing import NDArray

Box = tuple[float, float, float, float]


def _box(width: float, height: float, across: float, down: float) -> Box:
    """A box of this size; across, down: its place, 0 at the left or top and 1 at the right or bottom."""
    left, top = across * (1 - width), down * (1 - height)
    return left, top, left + width, top + height


_PLACES = (0.0, 0.5, 1.0)
WHOLE: Box = (0.0, 0.0, 1.0, 1.0)
CROPS: tuple[Box, ...] = (
    WHOLE,
    _box(0.95, 0.95, 0.5, 0.5),
    _box(0.8, 0.8, 0.5, 0.5),
    *(_box(0.9, 0.9, *place) for place in product(_PLACES, _PLACES)),
    *(_box(0.9, 0.9, *place) for place in product((0.25, 0.75), (0.25, 0.75))),
    *(_box(0.9, 1, across, 0) for across in _PLACES),
    *(_box(1, 0.9, 0, down) for down in _PLACES),
)
HALVES: tuple[Box, ...] = ((0.0, 0.0, 1.0, 0.5), (0.0, 0.5, 1.0, 1.0))
BOXES = (*CROPS, *HALVES)


@cache
def resampling(low: float, high: float, have: int, want: int) -> NDArray[np.float32]:
    """(want, have) the weights that scale the part from low to high of `have` samples to `want`, by a triangle as wide
    as a step."""
    step = (high - low) * have / want
    centres = low * have + (np.arange(want) + 0.5) * step
    reach = max(step, 1.0)
    away = np.abs(np.arange(have) + 0.5 - centres[:, None]) / reach
    weights = np.maximum(0.0, 1 - away)
    return (weights / weights.sum(1, keepdims=True)).astype(np.float32)


def cut(pixels: NDArray[np.float32], box: Box, side: int) -> NDArray[np.float32]:
    """(..., side, side) a box of gray pictures (..., H, W), scaled."""
    down = resampling(box[1], box[3], pixels.shape[-2], side)
    across = resampling(box[0], box[2], pixels.shape[-1], side)
    return np.asarray(down @ pixels @ across.T, np.float32)
