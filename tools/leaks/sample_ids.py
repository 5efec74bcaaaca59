"""The ids of the samples of a dataset of shards: its keys, and the id and the film that the json of a sample names."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from shards.dataset import TextError
from shards.read import Reader
from tools.leaks.annotation_ids import record_id
from tools.leaks.ids import VideoId, family_of, read_id
from tools.sample_texts import sample_texts


def family_of_dataset(reader: Reader) -> str:
    """The set that a dataset is of, by its name and by what it was built from."""
    provenance = reader.index.dataset.get("provenance")
    built = provenance.get("dataset") if isinstance(provenance, dict) else None
    return family_of(built if isinstance(built, str) else "", reader.name, str(reader.index.dataset["name"]))


def sample_ids(reader: Reader, numbers: Mapping[str, str] | None) -> Iterator[tuple[int, set[VideoId]]]:
    """(number, ids) of every sample. numbers: as read_id takes them. Raises DatasetError, SourceError."""
    family = family_of_dataset(reader)
    for number, (_, key, found) in enumerate(sample_texts(reader.index)):
        ids = {read_id(key, family, numbers)}
        if not isinstance(found, TextError):
            fields = found.meta or (found.records[0] if found.records else {})
            named = record_id(fields)
            if named is not None:
                ids.add(read_id(named.text, family, numbers, named.film))
        yield number, ids
