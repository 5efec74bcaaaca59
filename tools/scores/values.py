"""What a scorer may give for a sample, and the types of the columns that are made of it.

A scorer gives a number, a text, or a dict of them by the names of columns. Promises: a column has one type: bool,
int64, float32 (also where some values are whole numbers) or string; None is a null. A value that no column can hold
(NaN, an array, an endless text) is a ScoreError of its sample; a column whose values are of kinds that do not go
together (numbers and texts) is a ConversionError.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from shards.base import ConversionError, PrintableError

if TYPE_CHECKING:
    import pyarrow as pa

Value: TypeAlias = bool | int | float | str | None
MAX_TEXT_CHARACTERS = 1 << 16
"""Longest text of a column."""
JOIN_COLUMNS = ("shard", "key")
"""The columns by which a side table is joined to its dataset."""
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,99}")
_LARGEST_FLOAT = float(np.finfo(np.float32).max)
_GOES_WITH = {("int", "float"): "float", ("float", "int"): "float"}


class ScoreError(PrintableError, ValueError):
    """A sample for which a scorer has no usable value; the message is the reason."""


def values_of(found: Any, name: str) -> dict[str, Value]:
    """The values of a sample by column. name: the column of a value that is no dict. Raises ScoreError."""
    values = found if isinstance(found, Mapping) else {name: found}
    return {_checked_name(column): _checked(column, value) for column, value in values.items()}


def _checked_name(column: Any) -> str:
    if not isinstance(column, str) or not _NAME.fullmatch(column) or column in JOIN_COLUMNS:
        raise ScoreError(f"{str(column)[:100]!r} is no name of a column; give letters, digits and _, not shard or key")
    return column


def _checked(column: str, value: Any) -> Value:
    if hasattr(value, "item") and getattr(value, "ndim", None) == 0:  # a scalar of NumPy or PyTorch
        value = value.item()
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        if len(value) > MAX_TEXT_CHARACTERS:
            raise ScoreError(f"{column} is a text of {len(value)} characters, the limit is {MAX_TEXT_CHARACTERS}")
        if any("\ud800" <= character <= "\udfff" for character in value):
            raise ScoreError(f"{column} is no valid Unicode")
        return value
    if isinstance(value, int):
        if not -(1 << 63) <= value < 1 << 63:
            raise ScoreError(f"{column} is a whole number of more than 64 bits")
        return value
    if isinstance(value, float):
        if not math.isfinite(value) or abs(value) > _LARGEST_FLOAT:
            raise ScoreError(f"{column} is {value}, which is no finite number of 32 bits")
        return value
    raise ScoreError(f"{column} is a {type(value).__name__}; give a number, a text, or a dict of them")


class ColumnKinds:
    """The kind of each column, as far as values were seen; in the order in which they were."""

    def __init__(self) -> None:
        self.kinds: dict[str, str] = {}
        """Kind by column: "bool", "int", "float", "str", or "none" where all values are None."""

    def note(self, values: Mapping[str, Value], key: str) -> None:
        """Take in the values of one sample. Raises ConversionError."""
        for column, value in values.items():
            kind = "none" if value is None else type(value).__name__
            known = self.kinds.setdefault(column, kind)
            if kind == known or kind == "none":
                continue
            both = kind if known == "none" else _GOES_WITH.get((known, kind))
            if both is None:
                raise ConversionError(
                    f"column {column}: {key} gives a value of type {kind}, samples before it gave {known}; a column "
                    "has one type: correct the function"
                )
            self.kinds[column] = both

    def schema(self) -> pa.Schema:
        """The columns of the table, without metadata; one that holds nothing but None is float32."""
        import pyarrow as pa

        types = {"bool": pa.bool_(), "int": pa.int64(), "float": pa.float32(), "str": pa.string(), "none": pa.float32()}
        joins = [pa.field(name, pa.string(), nullable=False) for name in JOIN_COLUMNS]
        return pa.schema([*joins, *(pa.field(name, types[kind]) for name, kind in self.kinds.items())])
