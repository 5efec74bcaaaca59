"""Parts of a build for job arrays: part i of n takes every n-th block of rows and is a dataset of its own.

A block has as many rows as a shard has samples: where no row is refused, a block is a shard, and the merged parts are
byte for byte the shards of one run. Each part reads the annotations whole and passes over the rows of the others. It
lies in OUT/parts/I-of-N until `merge`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TypeVar

from shards.storage import below
from tools.rows import OptionError

Item = TypeVar("Item")

PARTS = "parts"
"""Folder in the place of a dataset in which its parts are built."""
MAX_PARTS = 100_000


@dataclass(frozen=True, slots=True, order=True)
class Part:
    """Part `number` (1 to `of`) of `of`."""

    number: int
    of: int

    @classmethod
    def parse(cls, text: str) -> Part:
        """The part that "i/n" means. Raises OptionError."""
        found = re.fullmatch(r"([0-9]{1,6})/([0-9]{1,6})", text)
        number, of = map(int, found.groups()) if found else (0, 0)
        if not 1 <= number <= of <= MAX_PARTS:
            raise OptionError(
                f"--shard {text}: no part; give I/N with I from 1 to N (N at most {MAX_PARTS}), e.g. --shard 1/4 to "
                "--shard 4/4"
            )
        return cls(number, of)

    @classmethod
    def of_folder(cls, name: str) -> Part | None:
        """The part that a folder is named after, or None."""
        found = re.fullmatch(r"([0-9]{1,6})-of-([0-9]{1,6})", name)
        return cls(*map(int, found.groups())) if found else None

    def __str__(self) -> str:
        return f"{self.number}/{self.of}"

    @property
    def folder(self) -> str:
        """Where it is built, below the place of the dataset."""
        return f"{PARTS}/{self.number}-of-{self.of}"

    def place(self, out: str) -> str:
        """The folder or URL where it is built."""
        return below(below(out, PARTS), f"{self.number}-of-{self.of}")

    def rows(self, rows: Iterable[Item], block: int) -> Iterator[Item]:
        """Those of all rows that are its own. block: rows of a block."""
        return (row for number, row in enumerate(rows) if number // block % self.of == self.number - 1)

    def row_of_all(self, row: int, block: int) -> int:
        """The number among all rows of its own row number `row`."""
        return (row // block * self.of + self.number - 1) * block + row % block
