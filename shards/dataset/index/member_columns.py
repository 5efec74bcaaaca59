"""The member columns of index.parquet, parsed in one place for whoever reads rows of an index.

index.parquet holds a list per sample of extensions, offsets, sizes and checksums. Here they are flat arrays with one
entry per member, sample after sample.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from shards.dataset.members.choice import chosen_members
from shards.dataset.members.rules import MemberRules

if TYPE_CHECKING:
    import pyarrow as pa


class MemberColumns:
    """The members of n samples, m in all; views of the table's memory where that is possible."""

    def __init__(self, table: pa.Table) -> None:
        """table: at least the column member_ext; others are parsed when they are asked for."""
        import pyarrow as pa

        self._table = table
        ext = self._lists("member_ext")
        self.starts = _starts(ext)
        """(n + 1,) First member of each sample, and m at the end."""
        names = _flat(ext)
        if not pa.types.is_dictionary(names.type):
            names = names.dictionary_encode()
        self.names: list[str] = names.dictionary.to_pylist()
        """Extensions."""
        self.ext: NDArray[Any] = np.asarray(names.indices)
        """(m,) Number of each member's extension in `names`."""

    def numbers(self, name: str) -> NDArray[Any]:
        """(m,) The column member_offset or member_size. Raises ValueError where it does not fit member_ext."""
        return self._values(self._lists(name))

    def checksums(self) -> tuple[NDArray[Any], NDArray[np.bool_]]:
        """(m,) Checksums, 0 where nobody computed one, and whether there is one. Raises ValueError as `numbers`."""
        import pyarrow as pa

        count = int(self.starts[-1])
        lists = self._lists("member_checksum")
        if pa.types.is_null(lists.type) or pa.types.is_null(lists.type.value_type):
            return np.zeros(count, np.uint32), np.zeros(count, bool)
        checksums = self._values(lists)
        known = np.ones(count, bool)
        if checksums.dtype.kind == "f":  # Arrow's way to show that some are missing; 32 bits fit in the 53 of a float
            known = ~np.isnan(checksums)
            checksums = np.where(known, checksums, 0).astype(np.uint32)
        return checksums, known

    def chosen(self, rules: MemberRules) -> NDArray[np.int64]:
        """(3, n) Number among all members of each sample's medium, json and other text; -1: it has none."""
        return chosen_members(self.names, self.ext, self.starts, rules)

    def _lists(self, name: str) -> Any:
        return self._table.column(name).combine_chunks()

    def _values(self, lists: pa.ListArray) -> NDArray[Any]:
        if not np.array_equal(_starts(lists), self.starts):
            raise ValueError("has member columns of different lengths")
        values: NDArray[Any] = _flat(lists).to_numpy(zero_copy_only=False)
        return values


def _starts(lists: pa.ListArray) -> NDArray[np.int64]:
    starts = np.asarray(lists.offsets).astype(np.int64)
    return starts - starts[0]


def _flat(lists: pa.ListArray) -> pa.Array:
    """The entries of all lists in one array."""
    # `flatten` does the same through pyarrow.compute, which takes 9 MB and 25 ms to import.
    bounds = lists.offsets
    start, stop = bounds[0].as_py(), bounds[-1].as_py()
    return lists.values.slice(start, stop - start)
