"""How a stored picture or frame is turned for display."""

from __future__ import annotations

from typing import NamedTuple


class Orientation(NamedTuple):
    """How a stored frame is turned for display: mirrored left to right first, then quarter turns anticlockwise."""

    mirror: bool = False
    quarter_turns: int = 0

    @property
    def swaps_sides(self) -> bool:
        return self.quarter_turns % 2 == 1
