"""The opcodes of pickles, protocols 0 to 5, as steps of our machine, and the loop that takes them.

The opcodes are those that CPython's module pickletools lists. Refused are persistent ids, extension codes and buffers
outside of the file, which mean something to the program that wrote it only. Texts of Python 2 are read as Latin-1.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

from tools.pickles.machine import Machine, as_set
from tools.pickles.stand_in import Named, UnreadablePickle


def run(data: bytes, find: Callable[[str, str], Named]) -> Any:
    """The value that a pickle makes, of plain values and of stand-ins that `find(module, name)` gives.

    Raises UnreadablePickle.
    """
    machine = Machine(data, find)
    try:
        return _run(machine)
    except UnreadablePickle:
        raise
    except (ValueError, TypeError, LookupError, AttributeError, OverflowError, struct.error, RecursionError) as error:
        where = f"byte {machine.position:,} of {len(data):,}"
        raise UnreadablePickle(f"is cut or damaged at {where} ({str(error)[:80]}); fetch it again") from error


def _run(machine: Machine) -> Any:
    data, steps = machine.data, _STEPS
    while True:
        code = data[machine.position]
        machine.position += 1
        if code == 0x2E:  # STOP
            return machine.stack.pop()
        step = steps[code]
        if step is None:
            raise ValueError(f"no opcode {code:#04x}")
        step(machine)


def _bytearray(machine: Machine) -> None:
    machine.push(machine.take(machine.number(8)))


def _set_of(machine: Machine) -> None:
    machine.push(frozenset(as_set(machine.pop_mark())))


def _protocol(machine: Machine) -> None:
    version = machine.number(1)
    if version > 5:
        raise UnreadablePickle(f"is of protocol {version}; 0 to 5 are read: write it anew with one of them")


_Step = Callable[[Machine], Any]
_OPCODES: dict[bytes, _Step] = {
    b"\x80": _protocol,
    b"\x95": lambda m: m.take(8),  # FRAME: how many bytes to read ahead
    b"(": Machine.mark,
    b"0": Machine.pop_one,
    b"1": lambda m: m.pop_mark(),
    b"2": lambda m: m.push(m.stack[-1]),
    b"N": lambda m: m.push(None),
    b"\x88": lambda m: m.push(True),
    b"\x89": lambda m: m.push(False),
    b"I": Machine.integer_line,
    b"L": Machine.integer_line,
    b"J": lambda m: m.integer(4),
    b"K": lambda m: m.push(m.number(1)),
    b"M": lambda m: m.push(m.number(2)),
    b"\x8a": lambda m: m.integer(m.number(1)),
    b"\x8b": lambda m: m.integer(m.number(4)),
    b"F": lambda m: m.push(float(m.line())),
    b"G": lambda m: m.push(struct.unpack(">d", m.take(8))[0]),
    b"S": Machine.string_line,
    b"T": lambda m: m.push(m.take(m.number(4)).decode("latin-1")),
    b"U": lambda m: m.push(m.take(m.number(1)).decode("latin-1")),
    b"V": lambda m: m.push(m.line().decode("raw-unicode-escape")),
    b"X": lambda m: m.text(m.number(4)),
    b"\x8c": lambda m: m.text(m.number(1)),
    b"\x8d": lambda m: m.text(m.number(8)),
    b"B": lambda m: m.push(m.take(m.number(4))),
    b"C": lambda m: m.push(m.take(m.number(1))),
    b"\x8e": lambda m: m.push(m.take(m.number(8))),
    b"\x96": _bytearray,
    b"\x98": lambda m: None,  # READONLY_BUFFER: all are, here
    b"]": lambda m: m.push([]),
    b"}": lambda m: m.push({}),
    b")": lambda m: m.push(()),
    b"\x8f": lambda m: m.push(set()),
    b"l": lambda m: m.push(m.pop_mark()),
    b"d": lambda m: m.as_dict(m.pop_mark()),
    b"t": lambda m: m.push(tuple(m.pop_mark())),
    b"\x85": lambda m: m.tuple_of(1),
    b"\x86": lambda m: m.tuple_of(2),
    b"\x87": lambda m: m.tuple_of(3),
    b"\x91": _set_of,
    b"a": lambda m: m.append([m.pop()]),
    b"e": lambda m: m.append(m.pop_mark()),
    b"\x90": lambda m: m.add(m.pop_mark()),
    b"s": lambda m: m.set_items([m.pop(), m.pop()][::-1]),
    b"u": lambda m: m.set_items(m.pop_mark()),
    b"p": lambda m: m.put(int(m.line())),
    b"q": lambda m: m.put(m.number(1)),
    b"r": lambda m: m.put(m.number(4)),
    b"\x94": Machine.memoize,
    b"g": lambda m: m.get(int(m.line())),
    b"h": lambda m: m.get(m.number(1)),
    b"j": lambda m: m.get(m.number(4)),
    b"c": Machine.global_line,
    b"\x93": Machine.stack_global,
    b"R": Machine.reduce,
    b"\x81": Machine.reduce,  # NEWOBJ: making a stand-in is a call as well
    b"\x92": Machine.new_object_with_keywords,
    b"i": Machine.old_instance,
    b"o": Machine.old_object,
    b"b": Machine.build,
    b"P": lambda m: m.refuse("a persistent id"),
    b"Q": lambda m: m.refuse("a persistent id"),
    b"\x82": lambda m: m.refuse("an extension code"),
    b"\x83": lambda m: m.refuse("an extension code"),
    b"\x84": lambda m: m.refuse("an extension code"),
    b"\x97": lambda m: m.refuse("a buffer that lies outside of it"),
}
_STEPS: list[_Step | None] = [_OPCODES.get(bytes([code])) for code in range(256)]
