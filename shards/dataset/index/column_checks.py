"""Whether the columns of an index's parquet files hold what they should: of the right type, and nothing left out.

Promises: what passes can be turned into arrays without a surprise; what does not is named by column. Types are looked
at before anything is read, nulls in what was read.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from shards.base.errors import PrintableError

if TYPE_CHECKING:
    import pyarrow as pa

MAY_BE_NULL = "member_checksum"
"""Where nobody computed it."""


class ColumnError(PrintableError, ValueError):
    """A column that is not what it should be; caught by whoever knows the file."""


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
        if not _fits(there, kind, name == MAY_BE_NULL):
            raise ColumnError(f"column {name} should hold {kind}, holds {there}")


def check_nulls(table: pa.Table) -> None:
    """Raise ColumnError for the first column in which values are missing."""
    import pyarrow as pa

    for name, column in zip(table.column_names, table.columns, strict=True):
        if name == MAY_BE_NULL:
            continue
        missing = column.null_count
        for chunk in column.chunks:
            missing += chunk.values.null_count if pa.types.is_list(chunk.type) else 0
        if missing:
            raise ColumnError(f"column {name} lacks {missing} values (null)")


def _fits(found: pa.DataType, expected: pa.DataType, may_be_null: bool) -> bool:
    """Whether both are texts, whole numbers, fractions, or lists of such; widths may differ."""
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
