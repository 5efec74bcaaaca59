"""Checks of the columns of an index's parquet files: their types, missing values, and the length of their texts.

Promises: a table that passes can be turned into arrays; an error names the column. Types are checked before anything is
read, values after it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from shards.base.errors import PrintableError
from shards.dataset.index.rows import MAX_KEY_BYTES

if TYPE_CHECKING:
    import pyarrow as pa


_MAY_BE_NULL = "member_checksum"
"""An index that was made from headers only has no checksums."""


class ColumnError(PrintableError, ValueError):
    """A column that is not as it should be; the caller, who knows the file, adds its name."""


def check_types(found: pa.Schema, expected: Mapping[str, pa.DataType], optional: frozenset[str] = frozenset()) -> None:
    """Raise ColumnError for the first column that is missing, unless optional, or of another type."""
    for name, kind in expected.items():
        if name not in found.names:
            if name in optional:
                continue
            raise ColumnError(f"column {name} is missing")
        if found.names.count(name) > 1:
            raise ColumnError(f"column {name} is there twice")
        there = found.field(name).type
        if not _fits(there, kind, name == _MAY_BE_NULL):
            raise ColumnError(f"column {name} should hold {kind}, holds {there}")


def check_table(table: pa.Table) -> None:
    """Raise ColumnError for missing values, and ValueError for texts that would not fit into memory."""
    _check_nulls(table)
    _check_texts(table)


def _check_nulls(table: pa.Table) -> None:
    """Raise ColumnError for the first column in which values are missing."""
    import pyarrow as pa

    for name, column in zip(table.column_names, table.columns, strict=True):
        if name == _MAY_BE_NULL:
            continue
        missing = column.null_count
        for chunk in column.chunks:
            missing += chunk.values.null_count if pa.types.is_list(chunk.type) else 0
        if missing:
            raise ColumnError(f"column {name} lacks {missing} values (null)")


def _check_texts(table: pa.Table) -> None:
    """Raise ValueError for texts that no index has: a single long text in a dictionary may stand for all rows."""
    import pyarrow as pa

    for name in {"key", "kind", "codec", "member_ext", "shard", "checksum", "state"}.intersection(table.column_names):
        for array in table.column(name).chunks:
            texts = array.values if pa.types.is_list(array.type) else array
            texts = texts.dictionary if pa.types.is_dictionary(texts.type) else texts
            if name == "shard" and pa.types.is_integer(texts.type):
                continue  # in index.parquet it is a number
            if not pa.types.is_string(texts.type):
                raise ValueError(f"{name} should hold texts, holds {array.type}")
            ends = np.frombuffer(texts.buffers()[1] or b"", np.int32)[texts.offset :][: len(texts) + 1]
            longest = int(np.diff(ends).max(initial=0))
            if longest > MAX_KEY_BYTES:
                raise ValueError(f"{name} holds a text of {longest} bytes, the limit is {MAX_KEY_BYTES}")


def _fits(found: pa.DataType, expected: pa.DataType, may_be_null: bool) -> bool:
    """True if both are texts, integers, floats, or lists of such; widths may differ."""
    import pyarrow as pa

    is_ = pa.types
    if may_be_null and is_.is_null(found):
        return True
    if is_.is_list(expected):
        return bool(is_.is_list(found)) and _fits(found.value_type, expected.value_type, may_be_null)
    if is_.is_dictionary(found):
        found = found.value_type
    same = (is_.is_string, is_.is_integer, is_.is_floating)
    return any(test(found) and test(expected) for test in same)
