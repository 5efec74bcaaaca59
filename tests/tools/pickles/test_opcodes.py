"""Plain values come out of any pickle as they went in; a file that is cut, bent or says too much is refused."""

from __future__ import annotations

import pickle
import pickletools
import resource
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.tools.pickles.assembly import text
from tools.pickles.admitted import find
from tools.pickles.opcodes import run
from tools.pickles.stand_in import UnreadablePickle

HERE = Path(__file__).parent
_SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**1000), 2**1000),
    st.floats(allow_nan=False),
    st.text(),
    st.binary(),
)
_KEYS = st.one_of(st.text(), st.integers(-(2**63), 2**63), st.tuples(st.text(), st.integers(0, 99)))
VALUES = st.recursive(
    _SCALARS | st.frozensets(_KEYS) | st.sets(_KEYS),
    lambda inner: st.lists(inner) | st.tuples(inner, inner) | st.dictionaries(_KEYS, inner),
    max_leaves=20,
)


@settings(max_examples=40, deadline=None)
@given(VALUES, st.integers(0, 5), st.booleans())
@example({"a": [["b"], ["b"]], ("c", 1): {2, 3}, 4: -(2**70)}, 0, False)
def test_plain_values_survive_a_round_trip_at_every_protocol(value: Any, protocol: int, in_python: bool) -> None:
    dumps = pickle._dumps if in_python else pickle.dumps  # type: ignore[attr-defined]
    made = run(dumps(value, protocol), find)
    assert made == value and _typed(made) == _typed(value)


def _typed(value: Any) -> Any:
    """A value with the types of all its parts."""
    if isinstance(value, dict):
        return [(_typed(key), _typed(item)) for key, item in value.items()]
    if isinstance(value, set | frozenset):
        return type(value), sorted(map(repr, value))
    return (type(value), [_typed(item) for item in value]) if isinstance(value, list | tuple) else (type(value), value)


@settings(max_examples=40, deadline=None)
@given(VALUES, st.integers(0, 5), st.data())
def test_a_bent_file_gives_a_value_or_is_refused_and_nothing_else(
    value: Any, protocol: int, data: st.DataObject
) -> None:
    whole = bytearray(pickle.dumps(value, protocol))
    for _ in range(data.draw(st.integers(1, 3))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    bent = bytes(whole[: data.draw(st.integers(0, len(whole)))])
    try:
        run(bent, find)
    except UnreadablePickle as error:
        assert str(error)


def test_every_cut_of_a_file_is_refused() -> None:
    whole = (HERE / "pandas_3.1.1.pkl").read_bytes()
    for end in range(0, len(whole) - 1, 13):
        with pytest.raises(UnreadablePickle, match=r"cut or damaged at byte|fetch it again"):
            run(whole[:end], find)


def test_every_opcode_is_known() -> None:
    for opcode in pickletools.opcodes:
        try:
            run(opcode.code.encode("latin-1"), find)
        except UnreadablePickle as error:
            assert "no opcode" not in str(error), opcode.name
    with pytest.raises(UnreadablePickle, match=r"cut or damaged at byte 1 of 1 \(no opcode 0xff\); fetch it again"):
        run(b"\xff", find)


@pytest.mark.parametrize(
    ("program", "reason"),
    [
        (b"Pid\n.", "holds a persistent id, which only the program that wrote it understands"),
        (b"N" + b"Q.", "holds a persistent id"),
        (b"\x82\x01.", "holds an extension code"),
        (b"\x83\x01\x00.", "holds an extension code"),
        (b"\x84\x01\x00\x00\x00.", "holds an extension code"),
        (b"\x97.", "holds a buffer that lies outside of it"),
        (b"\x80\x06N.", "is of protocol 6; 0 to 5 are read"),
        (b"\x8b" + (1 << 30).to_bytes(4, "little") + b"x.", "holds an integer of 1,073,741,824 bytes; up to 128"),
        (b"L" + b"9" * 5000 + b"L\n.", "holds an integer of 5,000 digits"),
        (b"X\xff\xff\xff\xffx.", "4,294,967,295 bytes are stated, 2 are left"),
        (b"\x8d" + b"\xff" * 8 + b"x.", "bytes are stated, 2 are left"),
        (b"\x96" + b"\xff" * 7 + b"\x7f.", "bytes are stated, 1 are left"),
        (b"p9\n.", "cut or damaged at byte"),
        (b"Np-1\n.", "the number -1 of a value"),
        (b"Np99999999999\n.", "the number 99999999999 of a value"),
        (b"g5\n.", "cut or damaged at byte"),
        (b"(Q.", "holds a persistent id"),
        (b"}]Ns.", "has a key of type list; keys that are read are texts, numbers and flat tuples"),
        (b"}K\x01\x85\x85Ns.", "has a key of type tuple"),
        (b"}\x8a\x09" + b"\xff" * 8 + b"\x01Ns.", "has a key of more than 64 bits"),
        (b"}Na.", "appends to a dict"),
        (b"](N\x90.", "adds to a list"),
        (b"](NNu.", "sets items of a list"),
        (text("x") + b")R.", "calls a str, which is not called here"),
        (b"K\x01}b.", "gives a state to a int, which has none here"),
        (b"}}b.", "gives a state to a dict"),
    ],
)
def test_what_is_not_read_is_named(program: bytes, reason: str) -> None:
    with pytest.raises(UnreadablePickle) as error:
        run(program, find)
    assert reason in str(error.value)


def test_numbers_of_the_memo_take_no_memory() -> None:
    """The pickle module would make room for four billion values, 32 GB."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert run(b"Nr\xff\xff\xff\xff0j\xff\xff\xff\xff.", find) is None
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50_000


def test_a_tower_of_containers_is_read_without_recursion() -> None:
    made = run(b"]" + b"\x85" * 100_000 + b".", find)
    assert type(made) is tuple


@pytest.mark.parametrize("protocol", [0, 1, 2])
def test_pickles_of_python_2_are_read_as_latin_1(protocol: int) -> None:
    made = run((HERE / f"python2_protocol{protocol}.pkl").read_bytes(), find)
    assert made == {
        "vid1_1_2": [["a", "man", "café"], ["über", "x"]],
        "vid2_3_4": [["one"]],
        3: (1, 2.5, True, None, 10**20),
    }
