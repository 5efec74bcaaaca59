"""The machine that a pickle is a program for: its stack, its memo, and what its steps may do.

Values are plain. A name of a class or function is looked up in the table that is given, where there are functions of
ours only; nothing else is ever called, and only stand-ins of ours take a state. What is hashed is a scalar or a flat
tuple of them. Promises: memory is a small multiple of the file's bytes, whatever lengths and numbers
it states and however often it uses a value again.
"""

from __future__ import annotations

import codecs
from collections.abc import Callable
from typing import Any

from tools.pickles.stand_in import Named, StandIn, UnreadablePickle

MAX_INTEGER_BYTES = 128
"""Larger integers are refused: Python takes quadratic time to write them."""
_KEY_LIMIT = 1 << 64
MIN_GIVEN = 1_000_000
"""Lengths of all values given to calls, together: so many, or four times the file's bytes."""
_SIZED = frozenset({str, bytes, list, tuple, dict, set, frozenset})
_SCALARS = frozenset({str, int, float, bool, type(None), bytes})


class _Partial(StandIn):
    """functools.partial, as pandas 1.3 wrote blocks with it."""

    def __init__(self, function: Any) -> None:
        self.function = function
        self.keywords: dict[str, Any] = {}

    def set_state(self, state: Any) -> None:
        self.function, args, self.keywords, _ = state
        if args or not isinstance(self.function, Named) or not isinstance(self.keywords, dict):
            raise UnreadablePickle("holds a function with arguments, which is not read; fetch or write it anew")


class Machine:
    """The state of a pickle that is being read; the steps are in tools/pickles/opcodes.py."""

    def __init__(self, data: bytes, find: Callable[[str, str], Named]) -> None:
        self.data, self._find = data, find
        self.position = 0
        self.stack: list[Any] = []
        self._below: list[list[Any]] = []
        self.memo: dict[int, Any] = {}
        self._left = max(MIN_GIVEN, 4 * len(data))

    def take(self, count: int) -> bytes:
        """The next bytes of the file, as many as it says that there are."""
        end = self.position + count
        if count < 0 or end > len(self.data):
            raise ValueError(f"{count:,} bytes are stated, {len(self.data) - self.position:,} are left")
        taken = self.data[self.position : end]
        self.position = end
        return taken

    def number(self, num_bytes: int) -> int:
        return int.from_bytes(self.take(num_bytes), "little")

    def line(self) -> bytes:
        end = self.data.index(b"\n", self.position)
        return self.take(end + 1 - self.position)[:-1]

    def push(self, value: Any) -> None:
        self.stack.append(value)

    def pop(self) -> Any:
        return self.stack.pop()

    # ---- containers

    def mark(self) -> None:
        self._below.append(self.stack)
        self.stack = []

    def pop_mark(self) -> list[Any]:
        items, self.stack = self.stack, self._below.pop()
        return items

    def pop_one(self) -> None:
        if self.stack:
            self.stack.pop()
        else:
            self.pop_mark()

    def tuple_of(self, count: int) -> None:
        if len(self.stack) < count:
            raise ValueError("too few values for a tuple")
        items = tuple(self.stack[-count:])
        del self.stack[-count:]
        self.push(items)

    def append(self, items: list[Any]) -> None:
        values = self.stack[-1]
        if type(values) is not list:
            raise UnreadablePickle(f"appends to a {type(values).__name__}, where only lists grow; fetch it again")
        values.extend(items)

    def add(self, items: list[Any]) -> None:
        values = self.stack[-1]
        if type(values) is not set:
            raise UnreadablePickle(f"adds to a {type(values).__name__}, where only sets do; fetch it again")
        values.update(as_set(items))

    def set_items(self, items: list[Any]) -> None:
        values = self.stack[-1]
        if type(values) is not dict or len(items) % 2:
            raise UnreadablePickle(
                f"sets items of a {type(values).__name__}, where only dicts have them; fetch it again"
            )
        for key, value in zip(items[::2], items[1::2], strict=True):
            values[_key(key)] = value

    def as_dict(self, items: list[Any]) -> None:
        self.push({})
        self.set_items(items)

    # ---- the memo

    def put(self, number: int) -> None:
        if not 0 <= number < 1 << 32:
            raise ValueError(f"the number {number} of a value")
        self.memo[number] = self.stack[-1]

    def memoize(self) -> None:
        self.memo[len(self.memo)] = self.stack[-1]

    def get(self, number: int) -> None:
        self.stack.append(self.memo[number])

    # ---- scalars

    def text(self, num_bytes: int) -> None:
        self.stack.append(self.take(num_bytes).decode("utf-8", "surrogatepass"))

    def integer(self, num_bytes: int) -> None:
        if num_bytes > MAX_INTEGER_BYTES:
            raise UnreadablePickle(f"holds an integer of {num_bytes:,} bytes; up to {MAX_INTEGER_BYTES} are read")
        self.push(int.from_bytes(self.take(num_bytes), "little", signed=True))

    def integer_line(self) -> None:
        line = self.line().removesuffix(b"L")
        if len(line) > 3 * MAX_INTEGER_BYTES:  # a byte is 2.4 digits
            raise UnreadablePickle(f"holds an integer of {len(line):,} digits; write it as a text")
        self.push({b"00": False, b"01": True}[line] if line in (b"00", b"01") else int(line))

    def string_line(self) -> None:
        line = self.line()
        if len(line) < 2 or line[:1] != line[-1:] or line[:1] not in (b"'", b'"'):
            raise ValueError("a text without quotes")
        self.push(codecs.escape_decode(line[1:-1])[0].decode("latin-1"))

    # ---- names, calls, states

    def named(self, module: Any, name: Any) -> None:
        if type(module) is not str or type(name) is not str:
            raise ValueError("a name that is no text")
        self.push(self._find(module, name))

    def global_line(self) -> None:
        module = self.line().decode("utf-8")
        self.named(module, self.line().decode("utf-8"))

    def stack_global(self) -> None:
        name = self.pop()
        self.named(self.pop(), name)

    def call(self, function: Any, args: Any, keywords: Any = None) -> None:
        """What stands for the call of a name; `args` and `keywords` come from the file."""
        if isinstance(function, _Partial):
            function, keywords = function.function, function.keywords
        if not isinstance(function, Named) or function.make is None or type(args) is not tuple:
            raise UnreadablePickle(f"calls {_told(function)}, which is not called here; get the data in another form")
        self._left -= sum(value.weight if isinstance(value, StandIn) else _length(value) for value in args)
        if self._left < 0:
            raise UnreadablePickle("uses its values again and again, to fill the memory; it is not to be trusted")
        self.push(function.make(*args, **(keywords or {})))

    def reduce(self) -> None:
        args = self.pop()
        self.call(self.pop(), args)

    def new_object_with_keywords(self) -> None:
        keywords, args = self.pop(), self.pop()
        if keywords:
            raise UnreadablePickle("makes an object with named arguments, which is not read; get it in another form")
        self.call(self.pop(), args)

    def old_instance(self) -> None:
        items = self.pop_mark()
        self.global_line()
        self.call(self.pop(), tuple(items))

    def old_object(self) -> None:
        function, *items = self.pop_mark()
        self.call(function, tuple(items))

    def build(self) -> None:
        state, made = self.pop(), self.stack[-1]
        if not isinstance(made, StandIn):
            raise UnreadablePickle(f"gives a state to {_told(made)}, which has none here; get it in another form")
        made.set_state(state)

    def refuse(self, what: str) -> None:
        raise UnreadablePickle(
            f"holds {what}, which only the program that wrote it understands; get it in another form"
        )


def as_set(items: Any = ()) -> set[Any]:
    """A set of scalars or flat tuples. Raises UnreadablePickle."""
    return {_key(item) for item in items}


def partial(function: Any) -> _Partial:
    """A stand-in of functools.partial, which can be called with what its state adds."""
    return _Partial(function)


def _key(value: Any) -> Any:
    """A value that may be hashed. Others would take time or depth that the file chooses."""
    kind = type(value)
    items = value if kind is tuple else (value,)
    if not all(type(item) in _SCALARS for item in items):
        raise UnreadablePickle(
            f"has a key of type {kind.__name__}; keys that are read are texts, numbers and flat tuples"
        )
    if any(type(item) is int and abs(item) >= _KEY_LIMIT for item in items):
        raise UnreadablePickle("has a key of more than 64 bits; write it as a text")
    return value


def _length(value: Any) -> int:
    return len(value) if type(value) in _SIZED else 0


def _told(value: Any) -> str:
    return value.name if isinstance(value, Named) else f"a {type(value).__name__.lower()}"
