"""Stand-ins of numpy's arrays and numbers: bytes with a type of a fixed list, made into plain lists."""

from __future__ import annotations

import math
import re
from typing import Any

from tools.pickles.stand_in import Named, StandIn, UnreadablePickle

_PLAIN = re.compile(r"[<>|=]?(b1|[iu][1248]|f[248]|[SU][1-9][0-9]{0,6}|O[48]?)")
_MAX_DIMENSIONS = 8


class Dtype(StandIn):
    """numpy.dtype: numbers, texts and Python objects; no fields, no dates."""

    def __init__(self, code: Any, align: Any = False, copy: Any = False) -> None:
        text = code.decode("latin-1") if isinstance(code, bytes) else code
        if not isinstance(text, str) or not _PLAIN.fullmatch(text):
            raise UnreadablePickle(
                f"holds a numpy array of type {str(code)[:20]!r}; numbers and texts are read: change the column's type"
            )
        self.kind, self._code, self._order = text.lstrip("<>|=")[0], text.lstrip("<>|="), "<"

    def set_state(self, state: Any) -> None:
        _, order, subtype, names, fields = state[:5]
        if (subtype, names, fields) != (None, None, None) or order not in ("<", ">", "|", "="):
            raise UnreadablePickle("holds a numpy array with fields, which is not read; write one array for each")
        self._order = "<" if order in ("|", "=") else order

    def read(self, data: Any, shape: tuple[int, ...], order: str) -> Any:
        """Numbers or texts of an array as nested lists; a scalar for the shape ()."""
        import numpy as np

        raw = data.encode("latin-1") if isinstance(data, str) else data  # Python 2 wrote bytes as a text
        code = self._code if self._code in ("b1", "i1", "u1") or self.kind == "S" else self._order + self._code
        return np.frombuffer(raw, dtype=code).reshape(shape, order="F" if order == "F" else "C").tolist()


class Array(StandIn):
    """numpy.ndarray."""

    def __init__(self) -> None:
        self.shape: tuple[int, ...] = (0,)
        self._dtype, self._order = Dtype("O"), "C"
        self._data: Any = []

    @property
    def weight(self) -> int:
        return len(self._data)

    def set_state(self, state: Any) -> None:
        """(version, shape, dtype, Fortran order, data as bytes or as a list of objects)."""
        shape, dtype, is_fortran, data = state[-4:]
        self.fill(data, dtype, shape, "F" if is_fortran else "C")

    def fill(self, data: Any, dtype: Any, shape: Any, order: Any) -> None:
        """Take the data. Raises UnreadablePickle where they do not fit the type and the shape."""
        is_shape = isinstance(shape, tuple) and len(shape) <= _MAX_DIMENSIONS and all(type(n) is int for n in shape)
        wanted = list if isinstance(dtype, Dtype) and dtype.kind == "O" else (bytes, str)
        if not is_shape or min(shape, default=0) < 0 or not isinstance(dtype, Dtype) or not isinstance(data, wanted):
            raise UnreadablePickle("holds a numpy array that does not say its type, shape and data; fetch it again")
        if dtype.kind == "O" and len(data) != math.prod(shape):
            raise UnreadablePickle(f"holds {len(data):,} values for a numpy array of shape {shape}; fetch it again")
        self.shape, self._dtype, self._order, self._data = shape, dtype, order, data

    def plain(self) -> Any:
        if not math.prod(self.shape):
            return []  # not a list of any length of empty ones, which takes no bytes to state
        if self._dtype.kind != "O":
            return self._dtype.read(self._data, self.shape, self._order)
        values: Any = list(self._data)  # in C order, whatever the order of the array was
        for size in reversed(self.shape[1:]):
            values = [values[start : start + size] for start in range(0, len(values), size)]
        return values if self.shape else values[0]


def reconstruct(kind: Any, shape: Any = (0,), code: Any = b"b") -> Array:
    """numpy's _reconstruct: an array whose data its state brings. Raises UnreadablePickle for a subclass."""
    if not isinstance(kind, Named) or kind.name != "numpy.ndarray":
        raise UnreadablePickle("holds a numpy array of a kind of its own; write it as a plain one")
    return Array()


def from_buffer(data: Any, dtype: Any, shape: Any, order: Any) -> Array:
    """numpy's _frombuffer of protocol 5."""
    made = Array()
    made.fill(data, dtype, (shape,) if type(shape) is int else shape, order)
    return made


def scalar(dtype: Any, data: Any = b"") -> Any:
    """A number or text of numpy as one of Python."""
    return data if dtype.kind == "O" else dtype.read(data, (), "C")
