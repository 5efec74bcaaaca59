"""The records of a dataset of shards, which holds the answers or captions of training; no medium is read."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from shards.dataset import Index, TextError, read_texts
from shards.storage import open_source


def dataset_records(url: str) -> Iterator[dict[str, Any]]:
    """The records of all samples in order; a sample whose texts cannot be read is passed over, as training quarantines
    it with its origin. Raises DatasetError, SourceError."""
    index = Index.open(open_source(url))
    for shard, name in enumerate(index.shards.names):
        rows = index.rows(shard)
        members = [rows.members(row) for row in range(len(rows))]
        for texts in read_texts(index.shard_source, name, members, index.rules):
            if not isinstance(texts, TextError):
                yield from texts.records
