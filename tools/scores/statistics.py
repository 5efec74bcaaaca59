"""Scores that are statistics of frames: brightness, motion and blur, each a number from 0 to 1.

All go by luma, 0.299 R + 0.587 G + 0.114 B (ITU-R BT.601), as a share of its full scale. They depend on how many frames
are taken and on their size, so that figures can be compared only where both are equal; the side table says them.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

_WEIGHTS = np.array([0.299, 0.587, 0.114], np.float32) / 255
_REBLUR_PIXELS = 9
"""Width of the mean filter of `blur`, that of the paper."""


def brightness(frames: NDArray[np.uint8], records: Any, facts: Any) -> float:
    """Mean luma of all pixels of all frames: 0 is black, 1 is white. frames: (T, H, W, 3)."""
    return float(_luma(frames).mean())


def motion(frames: NDArray[np.uint8], records: Any, facts: Any) -> float:
    """Mean absolute difference of luma between each frame and the next, over all pixels: 0 for a still picture, 1 for
    black after white. frames: (T, H, W, 3)."""
    luma = _luma(frames)
    return float(np.abs(np.diff(luma, axis=0)).mean()) if len(luma) > 1 else 0.0


def blur(frames: NDArray[np.uint8], records: Any, facts: Any) -> float:
    """Mean over the frames of the blur metric of Crete, Dolmiere, Ladret and Nicolas (2007): 0 is sharp, 1 has no edge.

    A frame is blurred again, along rows and along columns, by a mean of 9 pixels. The share of the differences between
    neighbours that is left after it is the blur of this direction; that of the frame is the larger one. A frame of one
    colour has 1. frames: (T, H, W, 3).
    """
    return float(np.mean([max(_blur_along(rows), _blur_along(rows.T)) for rows in _luma(frames)]))


def _luma(frames: NDArray[np.uint8]) -> NDArray[np.float32]:
    return np.asarray(frames @ _WEIGHTS, np.float32)


def _blur_along(rows: NDArray[np.float32]) -> float:
    """The blur of a picture along its first axis."""
    half = _REBLUR_PIXELS // 2
    padded = np.pad(rows.astype(np.float64), ((half + 1, half), (0, 0)), mode="edge")
    sums = np.cumsum(padded, axis=0)
    blurred = (sums[_REBLUR_PIXELS:] - sums[:-_REBLUR_PIXELS]) / _REBLUR_PIXELS
    sharp, soft = np.abs(np.diff(rows, axis=0)), np.abs(np.diff(blurred, axis=0))
    total = float(sharp.sum())
    if total < 1e-9 * rows.size:
        return 1.0
    lost = float(np.maximum(0, sharp - soft).sum())
    return 1 - lost / total
