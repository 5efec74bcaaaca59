"""frozen_slots: what the standard library's frozen dataclasses promise holds of these."""

from __future__ import annotations

import copy
import pickle
from dataclasses import FrozenInstanceError, dataclass, field, fields, replace

import pytest

from shards.base.frozen_slots import frozen_slots


@frozen_slots
class Point:
    x: int
    y: int = 2
    note: str = field(default="", compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Plain:
    x: int
    y: int = 2
    note: str = field(default="", compare=False, repr=False)


def test_it_is_made_compared_and_shown_as_those_of_the_standard_library() -> None:
    assert (Point(1), Point(x=1, y=2, note="a")) == (Point(1, 2, "b"), Point(1))
    assert hash(Point(1, note="a")) == hash(Point(1)) and Point(1) != Point(2)
    assert repr(Point(1)) == repr(Plain(1)).replace("Plain", "Point")
    assert [one.name for one in fields(Point)] == ["x", "y", "note"]
    assert replace(Point(1, note="kept"), x=5).note == "kept"


def test_it_cannot_be_changed() -> None:
    point = Point(1)
    with pytest.raises(FrozenInstanceError):
        point.x = 3  # type: ignore[misc]
    with pytest.raises(FrozenInstanceError):
        del point.x
    assert not hasattr(point, "__dict__")


def test_it_is_copied_and_sent_between_processes() -> None:
    assert copy.copy(Point(1, 3)) == pickle.loads(pickle.dumps(Point(1, 3))) == Point(1, 3)


@pytest.mark.parametrize("arguments", [(), (1, 2, "", 4)])
def test_arguments_are_those_of_the_fields(arguments: tuple[int, ...]) -> None:
    with pytest.raises(TypeError, match=r"Point\.__init__"):
        Point(*arguments)  # type: ignore[arg-type]


def test_what_it_does_not_know_is_refused() -> None:
    class Bag:
        items: list[int] = field(default_factory=list)

    with pytest.raises(TypeError, match=r"Bag\.items: frozen_slots has arguments with plain defaults only"):
        frozen_slots(Bag)
