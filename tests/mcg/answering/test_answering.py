"""Ways of answering are found by name, and a list's answers by number."""

from __future__ import annotations

from mcg.answering import ANSWERINGS
from mcg.answering.answering import Answering, best_of_list


def test_every_way_is_in_the_table() -> None:
    assert set(ANSWERINGS.values()) == set(Answering.__subclasses__())


def test_answers_of_a_list_are_named_by_their_numbers() -> None:
    found = best_of_list(("red", "blue"), [[0.5, 0.25], [0.75, 0.125]], [[1, 0], [0, 1]])
    assert found == [[("blue", 0.5), ("red", 0.25)], [("red", 0.75), ("blue", 0.125)]]
