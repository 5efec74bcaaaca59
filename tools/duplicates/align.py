"""Align two media: find the box of one whose frames are those of the other, and tell how alike the two then are.

All frames have the same box, so a video is aligned by several frames at once, one axis after the other, from a box that
two hashes suggested.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tools.duplicates.boxes import Box, resampling
from tools.duplicates.look import HASHED, THUMB

_SIZES = (1.0, 0.975, 0.95, 0.925, 0.9, 0.875, 0.85, 0.825, 0.8, 0.775)
_NEAR = 0.06
"""A side of a box is moved by so much of the frame at most."""


def _spans() -> NDArray[np.float64]:
    """(N, 2) the sides of boxes that are tried along an axis, half a pixel apart."""
    found = []
    for size in _SIZES:
        steps = max(1, round(2 * (1 - size) * THUMB))
        found += [(low, low + size) for low in ((1 - size) * number / steps for number in range(steps + 1))]
    return np.unique(np.array(found), axis=0)


_SPANS = _spans()
_WEIGHTS = np.stack([resampling(low, high, THUMB, THUMB) for low, high in _SPANS])


def find_box(a: NDArray[np.float32], b: NDArray[np.float32], start: Box) -> Box:
    """The box of the frames of `a`, near `start`, in which they are most like those of `b`; both (F, 32, 32)."""
    chosen = list(HASHED) if len(a) > 1 else [0]
    some, other = a[chosen], _centred(b[chosen])
    across, down = _nearest(start[0], start[2]), _nearest(start[1], start[3])
    for _ in range(2):
        rows = _WEIGHTS[down] @ some
        near = _near(start[0], start[2])
        across = near[_best(rows @ _WEIGHTS[near][:, None].transpose(0, 1, 3, 2), other)]
        near = _near(start[1], start[3])
        columns = some @ _WEIGHTS[across].T
        down = near[_best(_WEIGHTS[near][:, None] @ columns, other)]
    (left, right), (top, bottom) = _SPANS[[across, down]].tolist()
    return left, top, right, bottom


def likeness(a: NDArray[np.float32], b: NDArray[np.float32]) -> NDArray[np.float32]:
    """(F,) the correlation of frames (F, H, W) with each other, -1 to 1; 0 where one of the two is flat."""
    a, b = _centred(a), _centred(b)
    power = (a * a).sum((1, 2)) * (b * b).sum((1, 2))
    return np.where(power > 0, (a * b).sum((1, 2)) / np.sqrt(np.maximum(power, 1e-6)), 0)


def _best(cuts: NDArray[np.float32], other: NDArray[np.float32]) -> int:
    """The one of (N, F, 32, 32) that correlates best with (F, 32, 32)."""
    cuts = _centred(cuts)
    power = np.sqrt((cuts * cuts).sum((1, 2, 3)))
    return int(((cuts * other).sum((1, 2, 3)) / np.maximum(power, 1e-6)).argmax())


def _centred(frames: NDArray[np.float32]) -> NDArray[np.float32]:
    return frames - frames.mean((-1, -2), keepdims=True)


def _nearest(low: float, high: float) -> int:
    return int(np.abs(_SPANS - (low, high)).sum(1).argmin())


def _near(low: float, high: float) -> NDArray[np.int64]:
    return np.flatnonzero((np.abs(_SPANS - (low, high)) <= _NEAR).all(1))
