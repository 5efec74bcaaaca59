"""The rotation with which a stored picture or frame is displayed."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple, cast

import numpy as np

if TYPE_CHECKING:
    from av import VideoFrame


class Orientation(NamedTuple):
    """The rotation of a stored frame for display: mirrored left to right first, then quarter turns anticlockwise."""

    mirror: bool = False
    quarter_turns: int = 0

    @property
    def swaps_sides(self) -> bool:
        """True if the displayed frame is as wide as the stored one is high."""
        return self.quarter_turns % 2 == 1

    @classmethod
    def of(cls, frame: VideoFrame) -> Orientation:
        """The rotation that the display matrix of a decoded frame asks for, to the nearest quarter turn."""
        matrix = frame.side_data.get("DISPLAYMATRIX")
        if matrix is None:
            return cls()
        a, b, _, c, d = (int(value) for value in np.frombuffer(cast("bytes", matrix), "<i4", 5))
        mirror = a * d - b * c < 0
        if mirror:
            a, b = -a, -b
        # The matrix takes (1, 0), one pixel to the right, to (a, b); y points down.
        return cls(mirror, round(math.atan2(-b, a) / (math.pi / 2)) % 4)
