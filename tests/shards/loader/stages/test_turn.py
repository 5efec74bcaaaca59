"""Turn: it goes on where the thread that hangs stood, and nothing of it belongs to two threads."""

from __future__ import annotations

from typing import Any

import numpy as np

from shards.loader.stages.fetch import Found
from shards.loader.stages.turn import Turn
from shards.loader.stages.underway import Underway
from shards.order.plan import Element, Plan, RunPosition


class Stages:
    """Notes what it is told."""

    def __init__(self) -> None:
        self.told: list[Any] = []

    def hand_over(self, turn: Turn, seconds: float) -> None:
        self.told.append((turn.rest, seconds))

    def stop(self, error: Exception) -> None:
        self.told.append(str(error))


def test_a_turn_tells_its_stages_where_it_stands() -> None:
    plan = Plan(np.zeros((5, 8), np.int64), 0, 0, RunPosition(1, (8,)))
    stages = Stages()
    first, second = (Turn(stages, Underway(plan, 0), numbers=(3, 5, 7)) for _ in range(2))
    first.hand_over(1.0)
    first.number = 5
    first.hand_over(30.0)
    first.stop(ValueError("enough"))
    assert stages.told == [((), 1.0), ((5, 7), 30.0), "enough"]
    assert first.last is not second.last


def test_the_address_is_that_of_the_planned_element_and_of_its_substitute() -> None:
    plan = Plan(np.zeros((5, 8), np.int64), 0, 0, RunPosition(1, (8,)))
    turn = Turn(Stages(), Underway(plan, 0), attempt=3)
    turn.found = Found(Element(2, 1000, 1, 4, 7), 1, 7, None)
    assert turn.address == (2, 1000, 3)
