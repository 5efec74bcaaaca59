"""Tell near-duplicates from media that only look alike, by their small pictures.

Two takes before one wall have nearly equal frames; what differs is what moves. So a video is compared by its moving
part: each frame less the median of its frames in time, which also takes away a logo or a black bar that one of the two
has. All are compared by 16 blocks as well, of which a logo spoils up to four: by what is in them, and by their light
and colour, light being free up to a factor and a constant. The thresholds were set on the corpus (docs/results.md).
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tools.duplicates.align import find_box, likeness
from tools.duplicates.boxes import WHOLE, Box, cut
from tools.duplicates.look import THUMB, Thumbs

MIN_MOTION = 0.7
MIN_BLOCKS_STILL, MIN_BLOCKS_MOVING = 0.7, 0.5
MAX_LIGHT, MAX_COLOUR = 8.0, 16.0
"""Steps of 256."""
_BLOCKS, _BLOCK = 4, THUMB // 4
_MOVES = 4.0
"""Mean deviation of a frame from the median frame, in steps of gray, from which it counts as moving."""
_DETAIL = 4.0
"""Deviation of a block, in steps of gray, from which something is in it."""
_ALIKE = 0.8
"""Correlation of a block."""
_SPOILED = 4
"""Blocks that a logo in a corner may reach into."""


class Likeness(NamedTuple):
    """How alike two media are, once aligned."""

    motion: float
    """Correlation of the moving parts, -1 to 1, the median of the frames that move; NaN where fewer than two do."""
    blocks: float
    """Share of alike blocks among those with something in them, 0 to 1; NaN where nothing is in any."""
    light: float
    """Difference of the mean light of blocks, steps of 256, the largest but of four blocks."""
    colour: float
    """The same of their colour."""

    @property
    def is_near_duplicate(self) -> bool:
        """True if the two show the same."""
        if self.light > MAX_LIGHT or self.colour > MAX_COLOUR:
            return False
        if math.isnan(self.motion):
            return self.blocks >= MIN_BLOCKS_STILL
        return self.motion >= MIN_MOTION and not self.blocks < MIN_BLOCKS_MOVING


def compare(a: Thumbs, b: Thumbs, start: Box, mirrored: bool) -> Likeness:
    """Compare the pictures of two media with equally many frames.

    start: a box of `a` that about equals `b`. mirrored: whether b is a mirror image.
    """
    gray, colour = (part.astype(np.float32) for part in (a.gray, a.colour))
    turned = slice(None, None, -1 if mirrored else 1)
    other, other_colour = (part[..., turned].astype(np.float32) for part in (b.gray, b.colour))
    box = find_box(gray, other, start)
    gray = cut(gray, box, THUMB)
    light = np.abs(_in_blocks(_fitted(gray, other)).mean((2, 3)) - _in_blocks(other).mean((2, 3)))
    tint = cut(colour, box, _BLOCKS) - cut(other_colour, WHOLE, _BLOCKS)
    tint = np.sqrt((tint * tint).sum(1)).reshape(len(tint), -1)
    return Likeness(_motion(gray, other), _alike_blocks(gray, other), _largest(light), _largest(tint))


def _motion(a: NDArray[np.float32], b: NDArray[np.float32]) -> float:
    moving = [np.asarray(frames - np.median(frames, axis=0), np.float32) for frames in (a, b)]
    strength = np.maximum(*(np.sqrt((part * part).mean((1, 2))) for part in moving))
    moves = strength > _MOVES
    if moves.sum() < 2:
        return math.nan
    return float(np.median(likeness(*moving)[moves]))


def _alike_blocks(a: NDArray[np.float32], b: NDArray[np.float32]) -> float:
    """The share of alike blocks, the median over the frames."""
    parts = [_in_blocks(frames) for frames in (a, b)]
    detail = np.maximum(*(part.std((2, 3)) for part in parts)) > _DETAIL
    alike = np.stack([likeness(x, y) for x, y in zip(*parts, strict=True)]) >= _ALIKE
    counts = detail.sum(1)
    if not counts.any():
        return math.nan
    shares = (alike & detail).sum(1)[counts > 0] / counts[counts > 0]
    return float(np.median(shares))


def _fitted(a: NDArray[np.float32], b: NDArray[np.float32]) -> NDArray[np.float32]:
    """`a` made as light as `b`: a factor near 1 and a constant."""
    x, y = a - a.mean(), b - b.mean()
    factor = float((x * y).sum()) / max(float((x * x).sum()), 1.0)
    return min(1.4, max(0.7, factor)) * x + b.mean()


def _largest(differences: NDArray[np.float32]) -> float:
    """The largest of (F, 16) over the blocks, medians over the frames, but for those that a logo may spoil."""
    return float(np.sort(np.median(differences, axis=0))[-1 - _SPOILED])


def _in_blocks(frames: NDArray[np.float32]) -> NDArray[np.float32]:
    """(F, 16, 8, 8) of (F, 32, 32)."""
    split = frames.reshape(len(frames), _BLOCKS, _BLOCK, _BLOCKS, _BLOCK)
    return split.transpose(0, 1, 3, 2, 4).reshape(len(frames), _BLOCKS**2, _BLOCK, _BLOCK)
