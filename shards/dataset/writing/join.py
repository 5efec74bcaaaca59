"""Make one dataset of the parts of a conversion, which lie below its place: their tars are moved, none is rewritten.

Promises: shards alternate between the parts, first those numbered 0, so that parts which took turns give the order of
one run. dataset.json is written last, and after it the indexes of the parts are removed; a run that was killed goes on
with the same call. A key that stands in two parts is refused before anything is moved.
Costs: on a local disk a rename a shard; in a store a copy inside the store and a deletion a shard (no bytes come here).
"""

from __future__ import annotations

import heapq
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from shards.base.disk_table import DiskTable
from shards.base.errors import DatasetError
from shards.dataset.index.dataset_file import dataset_json
from shards.dataset.index.files import DATASET_FILE, INDEX_FILE, SHARDS_FILE
from shards.dataset.index.index import Index
from shards.dataset.index.schema import KEY_FRAME_COLUMNS
from shards.dataset.index.shard_table import ShardEntry
from shards.dataset.index.shards_file import write_shards
from shards.dataset.index.write_index import renumbered, write_index
from shards.dataset.writing.conversion import WriteSummary, first_difference
from shards.dataset.writing.open_target import open_target
from shards.dataset.writing.quarantine import QUARANTINE_FILE, quarantine_lines
from shards.dataset.writing.target import Target
from shards.storage.addresses import below
from shards.storage.open import open_source

_OWN_FILES = (INDEX_FILE, SHARDS_FILE, QUARANTINE_FILE, DATASET_FILE)
_NUM_NAMED = 5
"""Keys that stand in two parts and are named."""


def join(out: str, folders: Sequence[str], row_of_all: Callable[[int, int], int], part_field: str) -> WriteSummary:
    """Make a dataset at `out` of the finished datasets in `folders` below it.

    row_of_all: number of a part and of a row in it -> number of the row in all. part_field: the field of the provenance
    in which the parts differ; the dataset has their number in PART_FIELDs (with an s).
    Raises DatasetError for parts that do not belong together; WriteError, SourceError.
    """
    opened = [Index.open(open_source(_below(out, folder))) for folder in folders]
    about = [_about(part, part_field) for part in opened]
    for folder, other in zip(folders, about, strict=True):
        difference = first_difference(about[0], other)
        if difference is not None:
            name, first, now = difference
            raise DatasetError(
                f"{folder}: was made with {name} = {now!r}, {folders[0]} with {first!r}; parts of one dataset are made "
                "by the same command: delete the wrong one and build it again"
            )
    order = sorted((shard, part) for part, index in enumerate(opened) for shard in range(len(index.shards)))
    if not order:
        raise DatasetError(f"{', '.join(folders[:3])}, ...: no part holds a sample; see their {QUARANTINE_FILE}")
    _check_keys(opened, folders)
    target = open_target(out)
    try:
        there, left = set(target.list()), [set(part.source.list()) for part in opened]
        for number, (shard, part) in enumerate(order):
            name, own = f"{number:06d}.tar", opened[part].shards.names[shard]
            path, size = f"{folders[part]}/{own}", int(opened[part].shards.bytes[shard])
            if own in left[part]:
                _check_size(path, opened[part].source.stat(own).size, size)
                target.take(path, name)
            elif name in there:
                _check_size(name, target.source.stat(name).size, size)  # an earlier run moved it
            else:
                raise DatasetError(f"{path}: is missing; copy it there again, or build this part again")
        summary = _publish(target, opened, order, row_of_all, about[0], part_field)
        target.clear()
        drop_indexes(target, folders)
    finally:
        target.release()
    return summary


def drop_indexes(target: Target, folders: Sequence[str]) -> None:
    """Remove the indexes of parts whose shards were taken."""
    for folder in folders:
        for name in _OWN_FILES:
            target.drop(f"{folder}/{name}")


def _below(out: str, folder: str) -> str:
    for name in folder.split("/"):
        out = below(out, name)
    return out


def _about(part: Index, part_field: str) -> dict[str, Any]:
    content = part.dataset
    provenance = {name: value for name, value in content["provenance"].items() if name != part_field}
    return {"name": content["name"], "provenance": provenance, "key_frames": _has_key_frames(part)}


def _has_key_frames(part: Index) -> bool:
    return len(part.shards) == 0 or KEY_FRAME_COLUMNS[0] in part.table(0).column_names


def _check_keys(opened: Sequence[Index], folders: Sequence[str]) -> None:
    keys, twice = DiskTable(), list[str]()
    for part, index in enumerate(opened):
        for shard in range(len(index.shards)):
            for key in index.table(shard).column("key").to_pylist():
                other = int(keys.setdefault(key, str(part)))
                if other != part:
                    twice.append(f"{key} in {folders[other]} and {folders[part]}")
                    if len(twice) == _NUM_NAMED:
                        break
    keys.close()
    if twice:
        raise DatasetError(
            f"keys stand in two parts: {'; '.join(twice[:_NUM_NAMED])}; remove or rename one of the rows of each, and "
            "build these parts again"
        )


def _check_size(path: str, found: int, wanted: int) -> None:
    if found != wanted:
        raise DatasetError(f"{path}: has {found} bytes, {wanted} were written; build this part again")


def _publish(
    target: Target,
    opened: Sequence[Index],
    order: Sequence[tuple[int, int]],
    row_of_all: Callable[[int, int], int],
    about: Mapping[str, Any],
    part_field: str,
) -> WriteSummary:
    own = [[ShardEntry(*entry) for entry in part.shards.entries()] for part in opened]
    entries = [own[part][shard]._replace(name=f"{number:06d}.tar") for number, (shard, part) in enumerate(order)]
    tables = (renumbered(number, opened[part].table(shard)) for number, (shard, part) in enumerate(order))
    num_samples = sum(entry.num_samples for entry in entries)
    with target.produce(INDEX_FILE) as path:
        content = write_index(path, tables, num_samples, about["key_frames"])
    with target.produce(SHARDS_FILE) as path:
        write_shards(path, entries)
    num_quarantined = 0
    with target.produce(QUARANTINE_FILE) as path, open(path, "w", encoding="ascii") as file:
        for line in _quarantine(opened, row_of_all):
            file.write(json.dumps(line, ensure_ascii=True) + "\n")
            num_quarantined += 1
    provenance = {**about["provenance"], f"{part_field}s": len(opened)}
    licence = opened[0].dataset.get("licence")
    target.put(
        DATASET_FILE,
        dataset_json(about["name"], entries, num_quarantined, provenance, content=content, licence=licence),
    )
    return WriteSummary(
        num_rows=num_samples + num_quarantined,
        num_samples=num_samples,
        num_records=sum(entry.num_elements for entry in entries),
        num_quarantined=num_quarantined,
        num_shards=len(entries),
        bytes=sum(entry.bytes for entry in entries),
    )


def _quarantine(opened: Sequence[Index], row_of_all: Callable[[int, int], int]) -> Iterator[dict[str, Any]]:
    """The lines of all parts, in the order of all rows."""

    def lines(number: int, part: Index) -> Iterator[dict[str, Any]]:
        for line in quarantine_lines(part.source):
            yield {**line, "row": row_of_all(number, int(line["row"]))}

    return heapq.merge(*(lines(number, part) for number, part in enumerate(opened)), key=lambda line: line["row"])
