"""Stand-ins of pyarrow's arrays of texts, which pandas 3 keeps its columns of texts in; no pyarrow is called.

The layout is Arrow's (Columnar Format, "Variable-size Binary Layout"): a bitmap of the rows that have a text, offsets,
and the texts one after the other.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from tools.pickles.stand_in import StandIn, UnreadablePickle

_OFFSETS = {"string": "<i4", "large_string": "<i8"}


class ArrowType(StandIn):
    """pyarrow.DataType by its alias."""

    def __init__(self, alias: Any) -> None:
        if alias not in _OFFSETS:
            raise UnreadablePickle(
                f"holds a column of pyarrow's type {str(alias)[:30]!r}; texts are read: change its type"
            )
        self.offsets = _OFFSETS[alias]


class ArrowTexts(StandIn):
    """pyarrow.Array of texts."""

    def __init__(self, parts: Any) -> None:
        kind, self._length, _, self._begin, self._buffers, children, dictionary = parts
        if not isinstance(kind, ArrowType) or children or dictionary is not None:
            raise UnreadablePickle("holds a column of pyarrow that is none of texts; change its type")
        self._offsets = kind.offsets
        if not all(type(number) is int and number >= 0 for number in (self._length, self._begin)):
            raise UnreadablePickle("holds a column of texts of no length; fetch it again")

    @property
    def weight(self) -> int:
        return sum(len(part) for part in self._buffers if part is not None)

    def plain(self) -> list[str | None]:
        import numpy as np

        has_text, offsets, texts = self._buffers
        if not self._length:
            return []
        last = self._begin + self._length
        bounds = np.frombuffer(offsets, self._offsets)[self._begin : last + 1].tolist()
        texts = texts or b""
        is_sorted = all(start <= end for start, end in pairwise(bounds))
        if len(bounds) != self._length + 1 or not is_sorted or bounds[0] < 0 or bounds[-1] > len(texts):
            raise UnreadablePickle("holds a column of texts whose offsets do not fit; fetch it again")
        bits = [True] * self._length
        if has_text is not None:
            bytes_of = np.frombuffer(has_text, np.uint8)
            bits = np.unpackbits(bytes_of, bitorder="little")[self._begin : last].astype(bool).tolist()
        pairs = zip(pairwise(bounds), bits, strict=True)
        return [texts[a:b].decode("utf-8", "surrogateescape") if is_there else None for (a, b), is_there in pairs]


class ArrowChunks(StandIn):
    """pyarrow.ChunkedArray."""

    def __init__(self, chunks: Any, kind: Any = None) -> None:
        self._chunks = chunks

    @property
    def weight(self) -> int:
        return sum(chunk.weight for chunk in self._chunks)

    def plain(self) -> list[Any]:
        return [text for chunk in self._chunks for text in chunk.plain()]


class TextColumn(StandIn):
    """ArrowStringArray and StringArray of pandas: the column of texts that their state holds."""

    def __init__(self, column: Any = None) -> None:
        self._column = column

    @property
    def weight(self) -> int:
        return int(self._column.weight)

    def set_state(self, state: Any) -> None:
        parts = state if isinstance(state, tuple) else (state,)
        known = [part[name] for part in parts if isinstance(part, dict) for name in _COLUMN if name in part]
        known += [part for part in parts if isinstance(part, StandIn) and hasattr(part, "shape")]
        if not known:
            raise UnreadablePickle("holds a column of texts without its texts; fetch it again")
        self._column = known[0]

    def plain(self) -> Any:
        return self._column.plain()


_COLUMN = ("_pa_array", "_data", "_ndarray")
"""Names of the texts in the states that pandas has written."""


def buffer(data: Any) -> Any:
    """pyarrow.py_buffer: the bytes themselves."""
    return data


class TextType(StandIn):
    """pandas.StringDtype, of which every kind is texts."""

    def __init__(self, *settings: Any) -> None:
        """Where the texts are kept and what a missing one is; both show in the column itself."""

    def set_state(self, state: Any) -> None:
        """The same, as older pandas writes them."""
