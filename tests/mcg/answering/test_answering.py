"""Ways of answering are found by name."""

from __future__ import annotations

from mcg.answering import ANSWERINGS
from mcg.answering.answering import Answering


def test_every_way_is_in_the_table() -> None:
    ways = Answering.__subclasses__()
    assert set(ANSWERINGS.values()) == {*ways, *(more for way in ways for more in way.__subclasses__())}
