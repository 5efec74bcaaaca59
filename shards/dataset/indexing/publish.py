"""Write an index over shards that exist already, from one piece a shard: rows written aside, or rows of another index.

Promises: everything is written aside first and then put in place file by file, dataset.json last; until then an older
index stays as it is, and should the machine stop between two renames, the next run puts all of them in place again.
Memory holds one row group and a few numbers for each shard.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

from shards.dataset.index.dataset_file import dataset_json
from shards.dataset.index.files import DATASET_FILE, INDEX_FILE, SHARDS_FILE
from shards.dataset.index.index import Index
from shards.dataset.index.shard_table import ShardEntry
from shards.dataset.index.shards_file import write_shards
from shards.dataset.index.write_index import renumbered, write_index
from shards.dataset.members.rules import UNWRITTEN, MemberRules
from shards.dataset.tars.reasons import Reasons
from shards.dataset.tars.tar_samples import WALK
from shards.dataset.writing.quarantine import QUARANTINE_FILE, read_quarantine
from shards.dataset.writing.target import Target
from shards.storage.seal import seal_root

if TYPE_CHECKING:
    import pyarrow as pa

TOOL = "shards index"
"""The tool in the provenance of an index over tars that others wrote."""


class Piece(NamedTuple):
    """The part of an index that one shard makes up."""

    entry: ShardEntry
    state: str
    """Version of the tar when it was read; a tar of another version is read again."""
    num_quarantined: int
    table: Callable[[], pa.Table]
    """Reads its rows; the numbers in their shard column are replaced."""
    quarantined: Callable[[], Iterable[Mapping[str, Any]]]
    """Reads its lines of quarantine.jsonl."""
    notes: Mapping[str, int] = MappingProxyType({})
    """Remark -> number of samples that it holds for; only of a shard that this run or an unfinished one read."""


class Header(NamedTuple):
    """Fields of dataset.json beside the counts."""

    name: str
    root: str | None
    """Folder or URL of the shards without credentials; None: beside the index."""
    checksums: bool
    media: bool
    provenance: dict[str, Any]
    rules: MemberRules = UNWRITTEN


def publish_index(target: Target, header: Header, pieces: Sequence[Piece]) -> Reasons:
    """Write the four files of an index; returns the reasons of its quarantine. pieces: in the order of the shards."""
    entries = [piece.entry for piece in pieces]
    num_quarantined = [piece.num_quarantined for piece in pieces]
    num_rows = sum(entry.num_samples for entry in entries)
    tables = (renumbered(number, piece.table()) for number, piece in enumerate(pieces))
    with target.stage(INDEX_FILE) as index_path:
        index_checksum = write_index(index_path, tables, num_rows, header.media)
    with target.stage(SHARDS_FILE) as shards_path:
        write_shards(shards_path, entries, [piece.state for piece in pieces], num_quarantined)
    with target.stage(QUARANTINE_FILE) as quarantine_path:
        reasons = _write_quarantine(quarantine_path, pieces)
    provenance = {"tool": TOOL, "headers": not header.checksums, "media": header.media, "walk": WALK}
    provenance |= header.provenance
    content = dataset_json(
        header.name,
        entries,
        sum(num_quarantined),
        provenance,
        header.root,
        header.checksums,
        header.rules,
        None if header.root is None else seal_root(header.root),
        index_checksum,
    )
    target.publish(index_path, INDEX_FILE)
    target.publish(shards_path, SHARDS_FILE)
    target.publish(quarantine_path, QUARANTINE_FILE)
    target.put(DATASET_FILE, content)
    return reasons


def pieces_of(opened: Index) -> dict[str, Piece]:
    """Shard name -> its piece of an existing index."""
    shards = opened.shards
    lines = read_quarantine(opened.source)
    states = shards.states or [""] * len(shards)

    def piece(number: int, name: str) -> Piece:
        counts = (int(shards.num_samples[number]), int(shards.num_elements[number]), int(shards.bytes[number]))
        entry = ShardEntry(name, *counts, shards.checksums[number])
        mine = lines.get(name, [])
        return Piece(entry, states[number], len(mine), lambda: opened.table(number), lambda: mine)

    return {name: piece(number, name) for number, name in enumerate(shards.names)}


def is_own(dataset: Mapping[str, Any]) -> bool:
    """True if a dataset.json was written by indexing tars that others wrote; such an index may be replaced."""
    provenance = dataset.get("provenance")
    return isinstance(provenance, dict) and provenance.get("tool") == TOOL


def _write_quarantine(path: str, pieces: Sequence[Piece]) -> Reasons:
    reasons = Reasons()
    with open(path, "w", encoding="ascii") as file:
        for piece in pieces:
            for line in piece.quarantined():
                reasons.add(piece.entry.name, line)
                file.write(json.dumps({"shard": piece.entry.name, **line}, ensure_ascii=True) + "\n")
    return reasons
