"""Sizes of the tables of biases that window attention has: a row for each offset between two places. Loads no torch."""

from __future__ import annotations

import math

Window = tuple[int, int, int]
"""Frames, height and width in tokens."""


def num_offsets(window: Window) -> int:
    """Rows of the table of a window."""
    return math.prod(2 * size - 1 for size in window)


def window_of(num_rows: int) -> Window | None:
    """The window that is as high as wide whose table has so many rows; None where there is none, or several."""
    sides = [side for side in range(3, math.isqrt(max(0, num_rows)) + 1, 2) if num_rows % (side * side) == 0]
    if num_rows % 2 == 0 or len(sides) != 1:
        return None
    side = sides[0]
    return (num_rows // (side * side) + 1) // 2, (side + 1) // 2, (side + 1) // 2


def side_of(num_rows: int) -> int | None:
    """Height and width of the window without time whose table has so many rows; None where there is none."""
    side = math.isqrt(max(0, num_rows))
    return (side + 1) // 2 if side % 2 and side * side == num_rows else None
