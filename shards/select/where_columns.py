"""Columns of the index as `where` expressions see them: one value per sample."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from shards.dataset.index.member_columns import MemberColumns
from shards.dataset.members.rules import MemberRules
from shards.order.order import Int64
from shards.select.where_check import STRINGS

if TYPE_CHECKING:
    import pyarrow as pa


def physical_columns(names: Iterable[str]) -> set[str]:
    """The columns of index.parquet from which columns of an expression are made."""
    physical: set[str] = set()
    for name in names:
        physical |= {"member_ext", "member_size"} if name == "media_bytes" else {name} - {"shard"}
    return physical


def where_column(table: pa.Table, name: str, shards: Sequence[tuple[str, int]], rules: MemberRules) -> Any:
    """A column as `Where.mask` takes it; integers become float64, so that products do not overflow.

    shards: name and number of samples of the shards that the rows are of. Raises ValueError for a damaged index.
    """
    import pyarrow as pa

    if name == "shard":
        names = pa.array([shard for shard, _ in shards], pa.string())
        return names.take(pa.array(np.repeat(np.arange(len(shards)), [count for _, count in shards])))
    if name == "media_bytes":
        return _media_bytes(table, rules)
    column = table.column(name)
    if name in STRINGS:
        return pa.chunked_array(column.chunks, column.type).cast(pa.string()).combine_chunks()
    values = column.to_numpy()
    return values if values.dtype.kind == "f" else values.astype(np.float64)


def _media_bytes(table: pa.Table, rules: MemberRules) -> Any:
    """Size of the medium that a reader takes; 0 for a sample without one."""
    members = MemberColumns(table)
    medium = members.chosen(rules)[0]
    there = medium >= 0
    size = np.zeros(table.num_rows)
    size[there] = members.numbers("member_size")[medium[there]]
    return size


def record_counts(table: pa.Table) -> Int64:
    """Number of text records of each sample; 0 where an index that was made from headers only says -1, not known."""
    return np.maximum(table.column("num_records").to_numpy().astype(np.int64), 0)
