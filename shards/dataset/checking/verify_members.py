"""The members of one shard as its rows of the index list them, in the order of the tar."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import numpy as np

from shards.dataset.index.member_columns import MemberColumns
from shards.dataset.members.choice import ROLES, TEXTS, Role
from shards.dataset.members.rules import UNWRITTEN, MemberRules
from shards.media.facts import FACT_NAMES, MediaFacts

if TYPE_CHECKING:
    import pyarrow as pa


COLUMNS = ("key", "member_ext", "member_offset", "member_size", "member_checksum", "num_records", *FACT_NAMES)
"""Columns of index.parquet that a check needs."""


class ShardMembers:
    """The rows of one shard, with members sorted by offset; checksums may be missing."""

    def __init__(self, table: pa.Table, rules: MemberRules = UNWRITTEN) -> None:
        self.rules = rules
        self.keys: list[str] = table.column("key").to_pylist()
        self.num_records: list[int] = table.column("num_records").to_pylist()
        self._facts = {name: table.column(name) for name in FACT_NAMES}
        members = MemberColumns(table)
        try:
            offset, size = members.numbers("member_offset"), members.numbers("member_size")
            checksum, known = members.checksums()
        except ValueError:
            self.fits = False
            """False when the member columns have different lengths; nothing else can be said then."""
            return
        self.fits = True
        sample = np.repeat(np.arange(len(self.keys)), np.diff(members.starts))
        order = np.argsort(offset, kind="stable")
        self.sample: list[int] = sample[order].tolist()
        self.offset: list[int] = offset[order].tolist()
        self.size: list[int] = size[order].tolist()
        self.ext = [members.names[number] for number in members.ext[order].tolist()]
        read_as: dict[int, Role] = {}
        for role, numbers in zip(ROLES, members.chosen(rules).tolist(), strict=True):
            read_as.update(dict.fromkeys(numbers, role))
        self.role: list[Role | None] = [read_as.get(number) for number in order.tolist()]
        """Role in which a reader uses a member."""
        self.num_texts = Counter(row for row, role in zip(self.sample, self.role, strict=True) if role in TEXTS)
        pairs = zip(checksum[order].tolist(), known[order].tolist(), strict=True)
        self.checksum: list[int | None] = [value if is_known else None for value, is_known in pairs]

    def __len__(self) -> int:
        return len(self.keys)

    @property
    def verifiable(self) -> bool:
        """True if every member has a checksum."""
        return self.fits and None not in self.checksum

    def facts(self, row: int) -> MediaFacts:
        return MediaFacts(**{name: column[row].as_py() for name, column in self._facts.items()})
