"""Captions: the texts of a side table in place of the records of samples.

Promises: a text is a record {"caption": text}, in the order of a list; null and blank texts are none. A sample without
a text keeps its own records, or has none. The texts stay on disk (text_blocks.py).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from shards.base.printing import logger
from shards.dataset.index.shard_table import total_records
from shards.dataset.members.plain_text import is_text
from shards.order.order import Int64
from shards.select.side_columns import TextColumn
from shards.select.side_file import LIST_OF_TEXTS, SideFile
from shards.select.side_join import JoinedIndex, Positions
from shards.select.side_settings import MissingTexts

_logger = logger(__name__)
_USUAL = ("caption", "captions")


class Captions:
    """The texts of the samples of one index."""

    def __init__(
        self, file: SideFile, column: str | None, positions: Positions, index: JoinedIndex, missing: MissingTexts
    ) -> None:
        """column: None for the one that is named caption or captions, or is the only one of texts.

        missing: whether a sample without a text keeps its own records. Raises SideTableError.
        """
        name = _find_column(file) if column is None else column
        file.check_column(name, ("string", LIST_OF_TEXTS), "texts")
        shards = index.shards
        self._column = TextColumn(file, name, positions, shards.num_samples, _texts_of)
        self._starts: Int64 = np.concatenate([[0], np.cumsum(shards.num_samples)]).astype(np.int64)
        self._first: list[int] = self._starts.tolist()
        self.digests = self._column.digests
        self.drops = missing == "drop"
        """True if samples without a text are left out."""
        self.what = f"texts {file.name}:{name}"
        num_own = np.zeros(len(positions), np.int32)
        if not self.drops:
            start = 0
            for _, _, table in index.scan(["num_records"]):
                num_own[start : start + table.num_rows] = table.column(0).to_numpy()
                start += table.num_rows
        num_texts = self._column.num_texts
        without = int((num_texts == 0).sum())
        if without:
            fate = "are left out" if self.drops else "keep their own"
            _logger.warning("%s: %d of %d samples have no text in it and %s", self.what, without, len(num_texts), fate)
        self._num_records = np.where(num_texts > 0, num_texts, num_own)
        self.counts: Int64 = np.array([total_records(self.num_records(s, s + 1)) for s in range(len(shards))], np.int64)
        """(S,) records of each shard; -1: not known."""

    def num_records(self, first: int, stop: int) -> Int64:
        """(n,) records of each sample of shards first..stop; -1: its own, of which the number is not known."""
        return self._num_records[self._starts[first] : self._starts[stop]].astype(np.int64)

    def has_text(self, first: int, stop: int) -> Any:
        """(n,) True for each sample of shards first..stop that has a text here."""
        return self._column.num_texts[self._starts[first] : self._starts[stop]] > 0

    def prefetch(self, shards: list[int], samples: list[int]) -> None:
        """Have the texts of samples in memory, each given by shard and number in it."""
        self._column.prefetch(self._starts[shards] + np.asarray(samples, np.int64))

    def of(self, shard: int, sample: int) -> list[dict[str, Any]] | None:
        """The records of a sample; None: it keeps its own. Raises SideTableError, SourceError."""
        value = self._column.value(self._first[shard] + sample)
        if isinstance(value, str) and is_text(value):
            return [{"caption": value}]
        return [{"caption": text} for text in _texts_of(value)] or None


def _texts_of(value: str | list[str] | None) -> list[str]:
    """The texts of a value that say something."""
    if value is None:
        return []
    if isinstance(value, str):
        return [value] if is_text(value) else []
    return [text for text in value if is_text(text)]


def _find_column(file: SideFile) -> str:
    texts = [name for name, kind in file.kinds.items() if kind in ("string", LIST_OF_TEXTS)]
    usual = [name for name in _USUAL if name in texts]
    if len(usual) == 1:
        return usual[0]
    if len(texts) != 1:
        found = f"has {len(texts)} columns of texts" if texts else "has no column of texts"
        raise file.error(f"{found}; its columns are {file.columns() or 'none'}; name one with texts: FILE:COLUMN")
    return texts[0]
