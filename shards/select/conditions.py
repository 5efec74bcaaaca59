"""Conditions: which samples a selection takes, and how many elements each gives, for the rows of some shards at once.

They are those of `where`, of exclusion lists, and of side tables: a text that must be there, a number of copies.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, Protocol

import numpy as np

from shards.base.errors import DatasetError
from shards.dataset.index.shard_table import ShardTable
from shards.dataset.members.rules import MemberRules
from shards.order.order import Int64
from shards.select.exclusion import Exclusions
from shards.select.where import Mask, Where
from shards.select.where_columns import physical_columns, record_counts, where_column

if TYPE_CHECKING:
    import pyarrow as pa

    from shards.select.side_tables import SideTables


class Located(Protocol):
    """Anything with an address."""

    @property
    def url(self) -> str: ...


class SelectionIndex(Protocol):
    """A dataset as a selection uses it, of shards (`Index`) or of another format."""

    @property
    def source(self) -> Located: ...
    @property
    def dataset(self) -> Mapping[str, Any]:
        """The content of dataset.json; its name is needed."""

    @property
    def shards(self) -> ShardTable: ...
    @property
    def fingerprint(self) -> str: ...
    @property
    def rules(self) -> MemberRules: ...
    def layout_digest(self) -> str: ...
    def columns(self, shard: int, names: Sequence[str]) -> pa.Table: ...
    def scan(self, names: Sequence[str]) -> Iterator[tuple[int, int, pa.Table]]: ...


class Conditions:
    """The conditions of one selection."""

    def __init__(
        self,
        index: SelectionIndex,
        where: Where | None,
        exclusions: Exclusions,
        elements: Literal["record", "sample"],
        tables: SideTables | None,
    ) -> None:
        """tables: side tables of which something is used."""
        self._index, self._where, self._exclusions, self._tables = index, where, exclusions, tables
        self._by_record = elements == "record"
        names = where.columns if where is not None else frozenset()
        self._of_tables = frozenset(name for name in names if tables is not None and tables.has(name))
        self._of_index = names - self._of_tables

    @property
    def physical(self) -> list[str]:
        """The columns of index.parquet that they need."""
        names = physical_columns(self._of_index)
        return sorted(names | {"num_records"} | ({"key"} if len(self._exclusions) else set()))

    def mask(self, table: pa.Table, first: int, stop: int) -> Mask:
        """(n,) True for each selected sample among the rows of shards first..stop."""
        masks = [mask for _, mask in self.masks(table, first, stop)]
        return np.logical_and.reduce(masks) if masks else np.ones(table.num_rows, bool)

    def masks(self, table: pa.Table, first: int, stop: int) -> list[tuple[str, Mask]]:
        """(description, mask) of each condition of `where`, of the exclusions and of the side tables."""
        shards = self._index.shards
        members = list(zip(shards.names[first:stop], shards.num_samples[first:stop].tolist(), strict=True))
        masks: list[tuple[str, Mask]] = []
        if self._where is not None:
            try:
                columns = {name: where_column(table, name, members, self._index.rules) for name in self._of_index}
            except ValueError as error:
                raise DatasetError(
                    f"{self._index.source.url}: the index {error}; build the dataset again, or index its tars again"
                ) from error
            if self._tables is not None:
                columns |= {name: self._tables.column(name, first, stop) for name in self._of_tables}
            masks = [(one.text, one.mask(columns)) for one in self._where.conditions]
        if len(self._exclusions):
            keys = table.column("key").combine_chunks()
            masks.append((f"exclude ({len(self._exclusions)} samples)", ~self._exclusions.mask(keys, members)))
        if self._tables is not None:
            if (captions := self._tables.captions) is not None and captions.drops:
                masks.append((captions.what, captions.has_text(first, stop)))
            if (times := self.times(first, stop)) is not None:
                masks.append((f"{self._tables.what_repeats} > 0", times > 0))
        return masks

    def sizes(self, table: pa.Table, first: int, stop: int) -> Int64:
        """(n,) elements of one copy of each sample of shards first..stop."""
        if not self._by_record:
            return np.ones(table.num_rows, np.int64)
        if self._tables is None or self._tables.captions is None:
            return record_counts(table)
        return self._tables.captions.num_records(first, stop)

    def times(self, first: int, stop: int) -> Int64 | None:
        """(n,) copies of each sample of shards first..stop; None: one of each."""
        return None if self._tables is None else self._tables.times(first, stop)
