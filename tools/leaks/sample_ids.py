"""The ids of the samples of a dataset of shards: its keys, and the id and the film that the json of a sample names."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from shards.dataset import TextError, read_texts
from shards.read import Reader
from tools.leaks.annotation_ids import record_id
from tools.leaks.ids import VideoId, family_of, read_id

_AT_ONCE = 1000
"""Samples whose texts are read together."""


def family_of_dataset(reader: Reader) -> str:
    """The set that a dataset is of, by its name and by what it was built from."""
    provenance = reader.index.dataset.get("provenance")
    built = provenance.get("dataset") if isinstance(provenance, dict) else None
    return family_of(built if isinstance(built, str) else "", reader.name, str(reader.index.dataset["name"]))


def sample_ids(reader: Reader, numbers: Mapping[str, str] | None) -> Iterator[tuple[int, set[VideoId]]]:
    """(number, ids) of every sample. numbers: as read_id takes them. Raises DatasetError, SourceError."""
    index, family, number = reader.index, family_of_dataset(reader), 0
    for shard, name in enumerate(index.shards.names):
        rows = index.rows(shard)
        for first in range(0, len(rows), _AT_ONCE):
            some = range(first, min(first + _AT_ONCE, len(rows)))
            texts = read_texts(index.shard_source, name, [rows.members(row) for row in some], index.rules)
            for row, found in zip(some, texts, strict=True):
                ids = {read_id(rows.keys[row], family, numbers)}
                if not isinstance(found, TextError):
                    fields = found.meta or (found.records[0] if found.records else {})
                    named = record_id(fields)
                    if named is not None:
                        ids.add(read_id(named.text, family, numbers, named.film))
                yield number, ids
                number += 1
