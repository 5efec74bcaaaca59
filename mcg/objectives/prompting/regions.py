"""Regions of clips: one box per sample, the same in all frames, whose sides and corner are multiples of the patch size.

Area, aspect and place are drawn as ALPRO draws them (docs/facts/mcg_alpro.md 2.3): a share of 0.3 to 0.5 of the area,
height to width of 0.3 to 10/3, both uniform, cut to whole patches, drawn anew until it fits. The draws are addressed
by (seed, number of the sample), so a sample has one box at any number of ranks.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from shards.order import hash64, name_hash

AREA = (0.3, 0.5)
ASPECT = (0.3, 10 / 3)
_MOST_TRIES = 1000


def draw_boxes(seed: int, number_B: npt.NDArray[np.int64], side: int, patch: int) -> npt.NDArray[np.int64]:
    """(B, 4) top, left, height, width in patches, for frames of side x side pixels."""
    grid = side // patch
    boxes = np.zeros((len(number_B), 4), np.int64)
    todo = np.arange(len(number_B))
    for attempt in range(_MOST_TRIES):
        area, aspect, top, left = (_uniform(seed, number_B[todo], attempt, what) for what in range(4))
        pixels = (AREA[0] + area * (AREA[1] - AREA[0])) * side * side
        ratio = ASPECT[0] + aspect * (ASPECT[1] - ASPECT[0])
        height = (np.sqrt(pixels * ratio) // patch).astype(np.int64)
        width = (np.sqrt(pixels / ratio) // patch).astype(np.int64)
        fits = (height >= 1) & (width >= 1) & (height < grid) & (width < grid)
        corner = [(share * (grid - size + 1)).astype(np.int64) for share, size in ((top, height), (left, width))]
        boxes[todo[fits]] = np.stack([*corner, height, width], 1)[fits]
        todo = todo[~fits]
        if not len(todo):
            return boxes
    raise ValueError(f"no box of {AREA[0]:.0%} to {AREA[1]:.0%} of the area fits {grid} x {grid} patches")


def inside(boxes_B4: npt.NDArray[np.int64], grid: int) -> npt.NDArray[np.bool_]:
    """(B, grid, grid) True in the box."""
    top, left, height, width = (boxes_B4[:, i, None, None] for i in range(4))
    row, column = np.mgrid[0:grid, 0:grid][:, None]
    return (row >= top) & (row < top + height) & (column >= left) & (column < left + width)


def _uniform(seed: int, number_B: npt.NDArray[np.int64], attempt: int, what: int) -> npt.NDArray[np.float64]:
    """In [0, 1)."""
    words = hash64(seed, name_hash("regions"), attempt, what, number_B)
    return (words >> np.uint64(11)).astype(np.float64) * 2.0**-53
