"""A conversion and what is found of it: the same one, another one, finished, or with shards that are no longer its own.

Promises: what is compared is name, limits and provenance, by field; a finished shard is known by its checksum, on a
store by its version first; a finished dataset is that of a conversion if name and provenance agree and no file is
missing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from shards.base.errors import DatasetError
from shards.dataset.index import index
from shards.dataset.index.files import INDEX_FILE
from shards.dataset.index.shard_table import ShardEntry
from shards.storage.source import Source

_CHECKED_BYTES = 1 << 23


@dataclass(frozen=True, slots=True)
class WriteSummary:
    """What a conversion did. num_rows == num_samples + num_quarantined, always."""

    num_rows: int
    num_samples: int
    num_records: int
    num_quarantined: int
    num_shards: int
    bytes: int
    """Of the shards together."""


class AlreadyFinished(DatasetError):
    """The dataset that a conversion would make is there, finished, by name, provenance and files."""

    def __init__(self, message: str, summary: WriteSummary) -> None:
        super().__init__(message)
        self.summary = summary


def finished(source: Source, files: Sequence[str], quarantine: str, conversion: Mapping[str, Any]) -> DatasetError:
    """What is to be said of the finished dataset that lies where a conversion would go.

    files: that are there, of which `quarantine` must be one.
    """
    url = source.url
    other = f"{url}: holds a finished dataset already; choose another place, or delete it to build it again"
    opened = index.Index.open(source)
    shards, content = opened.shards, opened.dataset
    same = {name: conversion[name] for name in ("name", "provenance")}
    difference = first_difference({name: content.get(name) for name in same}, same)
    if difference is not None:
        name, was, now = difference
        return DatasetError(f"{other} (it was made with {name} = {was!r}, this one has {now!r})")
    missing = sorted({*shards.names, quarantine, INDEX_FILE} - set(files))
    if missing:
        return DatasetError(
            f"{url}: holds this dataset, finished, but {len(missing)} of its files are missing ({missing[0]}, ...); "
            "copy them there again, or delete it to build it again"
        )
    samples, quarantined = int(content["num_samples"]), int(content["num_quarantined"])
    records, num_bytes = int(content["num_elements"]), int(shards.bytes.sum())
    counts = WriteSummary(samples + quarantined, samples, records, quarantined, len(shards.names), num_bytes)
    return AlreadyFinished(f"{url}: holds a finished dataset already, made in the same way: nothing to do", counts)


def damage(source: Source, entry: ShardEntry, version: str) -> str:
    """Why a finished shard is not what was written, or "". version: what a store said of it then, which spares reading
    it; empty where nothing was said."""
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
    """(path, value before, value now) of the first setting that differs; None for one that is not there."""
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
