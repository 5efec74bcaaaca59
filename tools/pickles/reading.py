"""Read a pickled annotation file: plain values and data frames, as pickle.load would give them, and nothing run.

Admitted are dict, list, tuple, set, frozenset, str, bytes, int, float, bool, None; numpy arrays and numbers, which
become lists and numbers; a data frame, which becomes a Frame; a series or an index, which becomes a list. All other
names of classes and functions are refused (tools/pickles/admitted.py). The file is loaded whole.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tools.pickles.admitted import find
from tools.pickles.frames import Frame
from tools.pickles.opcodes import run
from tools.pickles.stand_in import Named, StandIn, UnreadablePickle
from tools.rows import AnnotationError, OptionError

MAX_BYTES = 8 << 30
MAX_DEPTH = 50
"""Containers within each other."""
MIN_VALUES = 1_000_000
"""Values that any file may hold, each counted as often as it is used; a larger file may hold four for each byte."""
_LEAVES = frozenset({str, int, float, bool, type(None), bytes})


def load_pickle(path: Path) -> Any:
    """The value of a pickle. Raises AnnotationError, which names the file."""
    try:
        if path.stat().st_size > MAX_BYTES:
            raise UnreadablePickle(f"has more than {MAX_BYTES:,} bytes; split it, or convert it to .parquet")
        data = path.read_bytes()
        value = run(data, find)
        return _Plain(max(MIN_VALUES, 4 * len(data))).of(value)
    except UnreadablePickle as error:
        raise AnnotationError(f"{path}: the pickle {error}") from error.__cause__
    except FileNotFoundError:
        raise OptionError(f"{path}: no such file; check the path") from None
    except OSError as error:
        raise AnnotationError(f"{path}: cannot be read: {error.strerror}; check its permissions") from error


class _Plain:
    """Replaces stand-ins by their data, each once, and counts all values as often as they are used."""

    def __init__(self, max_values: int) -> None:
        self._left = max_values
        self._open: set[int] = set()
        self._done: dict[int, tuple[StandIn, Any]] = {}

    def of(self, value: Any, depth: int = 0) -> Any:
        if type(value) in _LEAVES:
            return value
        if depth > MAX_DEPTH:
            raise UnreadablePickle(
                f"holds more than {MAX_DEPTH} containers within each other; it is no annotation file"
            )
        if isinstance(value, StandIn):
            return self._stand_in(value, depth)
        if isinstance(value, Named) and value.name == "pandas.NA":
            return None
        if isinstance(value, Named):
            raise UnreadablePickle(f"holds the name {value.name} where data are expected; get it in another form")
        if isinstance(value, Frame):
            for column in value.columns.values():
                self._count(len(column))
                self._inside(column, range(len(column)), depth)
            return value
        self._count(len(value))
        if type(value) is list:
            self._inside(value, range(len(value)), depth)
        elif type(value) is dict:
            self._inside(value, value, depth)
        elif type(value) is tuple:
            return tuple([self.of(item, depth + 1) for item in value])
        return value  # sets have scalars and flat tuples only

    def _inside(self, values: Any, keys: Any, depth: int) -> None:
        for key in keys:
            item = values[key]
            if type(item) not in _LEAVES:
                values[key] = self.of(item, depth + 1)

    def _stand_in(self, value: StandIn, depth: int) -> Any:
        if id(value) in self._open:
            raise UnreadablePickle("holds an array that is within itself; it is no annotation file")
        if id(value) in self._done:
            return self.of(self._done[id(value)][1], depth + 1)  # counted again
        self._open.add(id(value))
        try:
            self._count(value.weight)  # before so much is made
            made = self.of(value.plain(), depth + 1)
        except UnreadablePickle:
            raise
        except (ValueError, TypeError, LookupError, AttributeError, OverflowError, RecursionError) as error:
            what = f"holds a {type(value).__name__.lower()} whose data do not fit it ({str(error)[:80]})"
            raise UnreadablePickle(f"{what}; fetch it again") from error
        self._open.discard(id(value))
        self._done[id(value)] = (value, made)
        return made

    def _count(self, number: int) -> None:
        self._left -= number
        if self._left < 0:
            raise UnreadablePickle("uses its values again and again, to fill the memory; it is not to be trusted")
