"""Pickles written opcode by opcode, for what no pickler would write."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any

Call = tuple[Callable[..., Any], tuple[Any, ...]]


class Trap:
    """An object whose pickle calls a function when it is loaded."""

    def __init__(self, function: Callable[..., Any], *args: Any) -> None:
        self._call = (function, args)

    def __reduce__(self) -> Call:
        return self._call


def text(value: str) -> bytes:
    """The opcode that makes a text."""
    encoded = value.encode()
    return b"X" + len(encoded).to_bytes(4, "little") + encoded


def named(module: str, name: str) -> bytes:
    """The opcodes that look up a name."""
    return f"c{module}\n{name}\n".encode()


def plain(value: Any) -> bytes:
    """The opcodes that make a plain value, without protocol and STOP."""
    return pickle.dumps(value, 2)[2:-1]
