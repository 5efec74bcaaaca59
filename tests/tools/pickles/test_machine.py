"""What a pickle may call is in the table that is given, and how much it may give to calls is bounded."""

from __future__ import annotations

import pytest

from tests.tools.pickles.assembly import named, plain, text
from tools.pickles.machine import Machine, as_set, partial
from tools.pickles.opcodes import run
from tools.pickles.stand_in import Named, UnreadablePickle


def find(module: str, name: str) -> Named:
    return {"double": Named("ours.double", lambda value: value * 2), "silent": Named("ours.silent")}[name]


def test_a_call_is_one_of_ours() -> None:
    assert run(named("any", "double") + plain((21,)) + b"R.", find) == 42
    assert run(b"(" + plain(21) + b"iany\ndouble\n.", find) == 42
    assert run(b"(" + named("any", "double") + plain(21) + b"o.", find) == 42
    assert run(text("any") + text("double") + b"\x93" + plain((21,)) + b"\x81.", find) == 42


@pytest.mark.parametrize(
    ("program", "reason"),
    [
        (named("any", "silent") + b")R.", "calls ours.silent, which is not called here"),
        (named("any", "double") + plain([1]) + b"R.", "calls ours.double"),
        (named("any", "double") + b")}" + plain("k") + b"Ns\x92.", "makes an object with named arguments"),
        (named("any", "double") + b"}b.", "gives a state to ours.double"),
        (b"K\x01K\x02\x93.", "a name that is no text"),
    ],
)
def test_other_calls_are_refused(program: bytes, reason: str) -> None:
    with pytest.raises(UnreadablePickle, match=reason):
        run(program, find)


def test_values_are_not_given_to_calls_again_and_again() -> None:
    value = text("x" * 100_000) + b"q\x00"
    calls = (named("any", "double") + b"h\x00\x85R0") * 30
    with pytest.raises(UnreadablePickle, match="uses its values again and again, to fill the memory"):
        run(value + calls + b".", find)


def test_a_partial_calls_what_its_state_says_if_that_is_ours() -> None:
    made = partial(None)
    made.set_state((Named("ours.double", lambda value: value * 2), (), {}, None))
    machine = Machine(b"", find)
    machine.call(made, (4,))
    assert machine.stack == [8]
    with pytest.raises(UnreadablePickle, match="holds a function with arguments"):
        made.set_state(("text", (), {}, None))


def test_sets_hold_scalars_and_flat_tuples() -> None:
    assert as_set(["a", 1, ("b", 2)]) == {"a", 1, ("b", 2)}
    with pytest.raises(UnreadablePickle, match="has a key of type list"):
        as_set([[1]])
