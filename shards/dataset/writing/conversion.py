"""A conversion that writes a dataset, and what an earlier attempt at it left in the same place.

Promises: conversions are the same if name, limits and provenance are, compared field by field; a finished shard is
compared with its checksum, on a store with its version first; a finished dataset is that of a conversion if name and
provenance agree and no file is missing.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from shards.base.errors import DatasetError
from shards.base.json_text import load_json
from shards.dataset.index.files import DATASET_FILE, INDEX_FILE
from shards.dataset.index.index import Index
from shards.dataset.index.shard_table import ShardEntry
from shards.dataset.writing.quarantine import QUARANTINE_FILE
from shards.dataset.writing.shard_record import ShardRecord, read_rows
from shards.dataset.writing.target import UNFINISHED, Target
from shards.storage.source import Source

if TYPE_CHECKING:
    import pyarrow as pa

CONVERSION_FILE = "conversion.json"
"""File in unfinished/ with name, limits and provenance of the conversion."""
_CHECKED_BYTES = 1 << 23
"""Bytes of a finished shard that are read at once for its checksum."""


@dataclass(frozen=True, slots=True)
class WriteSummary:
    """The counts of a finished conversion; num_rows == num_samples + num_quarantined."""

    num_rows: int
    num_samples: int
    num_records: int
    num_quarantined: int
    num_shards: int
    bytes: int
    """Size of all shards together."""


class AlreadyFinished(DatasetError):
    """The dataset that a conversion would make is there already: same name and provenance, no file missing."""

    def __init__(self, message: str, summary: WriteSummary) -> None:
        super().__init__(message)
        self.summary = summary


def unfinished_shards(target: Target, conversion: Mapping[str, Any]) -> Iterator[tuple[ShardRecord, pa.Table]]:
    """The shards that an earlier attempt finished, in order, with their rows; none if this is the first attempt.

    Raises AlreadyFinished; DatasetError if the place holds something else, or shards that are no longer what was
    written.
    """
    files = target.list()
    if DATASET_FILE in files:
        target.clear()  # the conversion was killed between writing dataset.json and this
        raise _finished_error(target.source, files, conversion)
    leftover = target.list_unfinished()
    if CONVERSION_FILE not in leftover:
        shards = [name for name in files if name.endswith(".tar")]
        if shards:
            raise DatasetError(
                f"{target.url}: holds {len(shards)} tar files ({shards[0]}, ...) that no unfinished conversion "
                "accounts for; choose an empty place"
            )
        target.put(f"{UNFINISHED}/{CONVERSION_FILE}", json.dumps(conversion, indent=2).encode())
        return
    _check_same(target, conversion)
    stems = [name.removesuffix(".parquet") for name in leftover if name.endswith(".parquet")]
    numbers = sorted(int(stem) for stem in stems if stem.isdecimal())
    if numbers != list(range(len(numbers))):
        raise DatasetError(
            f"{target.url}/{UNFINISHED}: files are missing among {numbers}; delete {target.url}, start over"
        )
    for number in numbers:
        rows = read_rows(target.unfinished, number)
        record = ShardRecord.of(rows)
        name = record.entry.name
        damage = _damage(target.source, record.entry, record.version) if name in files else "is missing"
        if damage:
            again = f"{target.url}/{UNFINISHED}/{ShardRecord.file_name(number)}"
            raise DatasetError(
                f"{target.url}/{name}: should have {record.entry.bytes} bytes, {damage}; delete {again} "
                f"and those behind it to make it and the shards behind it again, or delete {target.url} and start "
                "over"
            )
        yield record, rows


def _check_same(target: Target, conversion: Mapping[str, Any]) -> None:
    """Raise DatasetError unless the unfinished conversion of a place is this one."""
    path = f"{target.url}/{UNFINISHED}/{CONVERSION_FILE}"
    try:
        before = load_json(target.unfinished.read(CONVERSION_FILE))
    except ValueError as error:
        raise DatasetError(f"{path}: not valid json ({error}); delete {target.url} and start over") from error
    difference = first_difference(before, conversion)
    if difference is not None:
        name, was, now = difference
        raise DatasetError(
            f"{target.url}: holds an unfinished conversion with {name} = {was!r}, this one has "
            f"{'none' if now is None else repr(now)}; start the same conversion again, or delete the folder to "
            "start over"
        )


def _finished_error(source: Source, files: Sequence[str], conversion: Mapping[str, Any]) -> DatasetError:
    """AlreadyFinished if the finished dataset at `source` is that of the conversion, else why it cannot be replaced.

    files: the names of its files.
    """
    url = source.url
    other = f"{url}: holds a finished dataset already; choose another place, or delete it to build it again"
    opened = Index.open(source)
    shards, content = opened.shards, opened.dataset
    same = {name: conversion[name] for name in ("name", "provenance")}
    difference = first_difference({name: content.get(name) for name in same}, same)
    if difference is not None:
        name, was, now = difference
        return DatasetError(f"{other} (it was made with {name} = {was!r}, this one has {now!r})")
    missing = sorted({*shards.names, QUARANTINE_FILE, INDEX_FILE} - set(files))
    if missing:
        return DatasetError(
            f"{url}: holds this dataset, finished, but {len(missing)} of its files are missing ({missing[0]}, ...); "
            "copy them there again, or delete it to build it again"
        )
    samples, quarantined = int(content["num_samples"]), int(content["num_quarantined"])
    records, num_bytes = int(content["num_elements"]), int(shards.bytes.sum())
    counts = WriteSummary(samples + quarantined, samples, records, quarantined, len(shards.names), num_bytes)
    return AlreadyFinished(f"{url}: holds a finished dataset already, made in the same way: nothing to do", counts)


def _damage(source: Source, entry: ShardEntry, version: str) -> str:
    """The difference between a finished shard and what was written, or "". version: of the written shard in its store;
    while it is the same the shard is not read. Empty: not known."""
    import xxhash

    found = source.stat(entry.name)
    if found.size != entry.bytes:
        return f"has {found.size}"
    if version and found.version == version:
        return ""
    digest = xxhash.xxh3_128()
    for offset in range(0, found.size, _CHECKED_BYTES):
        digest.update(source.read(entry.name, offset, min(_CHECKED_BYTES, found.size - offset)))
    if digest.hexdigest() == entry.checksum:
        return ""
    return f"has them, but was changed since it was written (checksum {digest.hexdigest()}, not {entry.checksum})"


def first_difference(before: Mapping[str, Any], now: Mapping[str, Any]) -> tuple[str, Any, Any] | None:
    """(path, value before, value now) of the first setting that differs; a value is None if the setting is missing."""
    old, new = _flat(before), _flat(now)
    return next(((name, old.get(name), new.get(name)) for name in (*new, *old) if old.get(name) != new.get(name)), None)


def _flat(content: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in content.items():
        if isinstance(value, dict):
            flat.update(_flat(value, f"{prefix}{name}."))
        else:
            flat[prefix + name] = value
    return flat
