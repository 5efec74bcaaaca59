"""Captions: the texts of a side table in place of the records of samples.

Promises: a text is a record {"caption": text}, in the order of a list; null and blank texts are none. A sample without
a text keeps its own records, or has none. The texts stay on disk (text_blocks.py).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from shards.base.printing import logger
from shards.dataset.members.plain_text import is_text
from shards.order.order import Int64
from shards.select.side_columns import TextColumn
from shards.select.side_file import LIST_OF_TEXTS, SideFile
from shards.select.side_join import JoinedIndex, Positions
from shards.select.side_settings import MissingTexts
from shards.select.text_blocks import TextCache

_logger = logger(__name__)
_USUAL = ("caption", "captions")
_GROUP_ROWS = 1 << 16
"""Rows of a row group, at most, of a table that our tools write."""


class Captions:
    """The texts of the samples of one index."""

    def __init__(
        self,
        file: SideFile,
        column: str | None,
        positions: Positions,
        index: JoinedIndex,
        missing: MissingTexts,
        cache: TextCache,
    ) -> None:
        """column: None for the one that is named caption or captions, or is the only one of texts.

        missing: whether a sample without a text keeps its own records. cache: where texts are kept. Raises
        SideTableError.
        """
        name = _find_column(file) if column is None else column
        file.check_column(name, ("string", LIST_OF_TEXTS), "texts")
        shards = index.shards
        self._column = TextColumn(file, name, positions, shards.num_samples, cache, _texts_of)
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
        self._lay_out(np.where(num_texts > 0, num_texts, np.maximum(num_own, 0)))
        if self._column.num_characters > cache.max_bytes and _is_slow(file, positions):
            _logger.warning(
                "%s: has more texts than the %d MB that are kept, and its rows are not in the order of the index, or "
                "its row groups have more than %d rows: reading will be slow; write it as docs/side_tables.md says",
                self.what,
                cache.max_bytes >> 20,
                _GROUP_ROWS,
            )

    def _lay_out(self, num_records: NDArray[np.int32]) -> None:
        """Note the records before each sample, and those of each shard."""
        num_shards = len(self._first) - 1
        self._before = np.zeros(len(num_records) + num_shards, np.int32)
        self.counts: Int64 = np.zeros(num_shards, np.int64)
        """(S,) records of each shard."""
        for shard in range(num_shards):
            first = self.first_elements(shard)
            np.cumsum(num_records[self._first[shard] : self._first[shard + 1]], out=first[1:])
            self.counts[shard] = first[-1]

    def first_elements(self, shard: int) -> NDArray[np.int32]:
        """(n + 1,) records before each sample of a shard, and their total."""
        return self._before[self._first[shard] + shard : self._first[shard + 1] + shard + 1]

    def num_records(self, first: int, stop: int) -> Int64:
        """(n,) records of each sample of shards first..stop."""
        parts = [np.diff(self.first_elements(shard)) for shard in range(first, stop)]
        return np.concatenate([np.empty(0, np.int64), *parts])

    def has_text(self, first: int, stop: int) -> Any:
        """(n,) True for each sample of shards first..stop that has a text here."""
        return self._column.num_texts[self._starts[first] : self._starts[stop]] > 0

    def prefetch(self, shards: list[int], samples: list[int]) -> None:
        """Have the texts of samples in memory, each given by shard and number in it."""
        self._column.prefetch(self._starts[shards] + np.asarray(samples, np.int64))

    def of(self, shard: int, sample: int) -> list[dict[str, Any]] | None:
        """The records of a sample; None: it keeps its own. Raises SideTableError, SourceError."""
        row = self._column.rows[self._first[shard] + sample]
        if row < 0:
            return None
        value = self._column.blocks.value(row)
        if type(value) is str and is_text(value):  # nearly always
            return [{"caption": value}]
        return [{"caption": text} for text in _texts_of(value)] or None


def _texts_of(value: str | list[str] | None) -> list[str]:
    """The texts of a value that say something."""
    if value is None:
        return []
    if isinstance(value, str):
        return [value] if is_text(value) else []
    return [text for text in value if is_text(text)]


def _is_slow(file: SideFile, positions: Positions) -> bool:
    """True for a table of which row groups will be read again and again."""
    is_long = bool((np.diff(file.first_rows) > _GROUP_ROWS).any())
    return is_long or bool((np.diff(positions[positions >= 0]) < 0).any())


def _find_column(file: SideFile) -> str:
    texts = [name for name, kind in file.kinds.items() if kind in ("string", LIST_OF_TEXTS)]
    usual = [name for name in _USUAL if name in texts]
    if len(usual) == 1:
        return usual[0]
    if len(texts) != 1:
        found = f"has {len(texts)} columns of texts" if texts else "has no column of texts"
        raise file.error(f"{found}; its columns are {file.columns() or 'none'}; name one with texts: FILE:COLUMN")
    return texts[0]
