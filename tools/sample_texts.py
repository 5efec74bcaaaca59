"""The texts of all samples of a dataset of shards, in order, a thousand at a time; no medium is read."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from shards.dataset import Index, read_texts

_AT_ONCE = 1000
"""Samples whose texts are read together."""


def sample_texts(index: Index) -> Iterator[tuple[str, str, Any]]:
    """(shard, key, Texts or TextError) of every sample. Raises DatasetError, SourceError."""
    for shard, name in enumerate(index.shards.names):
        rows = index.rows(shard)
        for first in range(0, len(rows), _AT_ONCE):
            some = range(first, min(first + _AT_ONCE, len(rows)))
            found = read_texts(index.shard_source, name, [rows.members(row) for row in some], index.rules)
            yield from ((name, rows.keys[row], texts) for row, texts in zip(some, found, strict=True))
