"""Quarter turns and the sides that they swap."""

from __future__ import annotations

from shards.media.rotation import Orientation


def test_odd_quarter_turns_swap_the_sides() -> None:
    assert [Orientation(False, turns).swaps_sides for turns in range(4)] == [False, True, False, True]
    assert Orientation() == (False, 0) and not Orientation(mirror=True).swaps_sides
