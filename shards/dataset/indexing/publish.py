"""Write an index over shards that lie there already, from pieces: rows in part files, or in another index.

Promises: everything is written aside first and then put in place file by file, dataset.json last; until then an older
index stays as it is, and should the machine stop between two renames, the next run puts all of them in place again.
Memory holds one row group and a few numbers for each shard.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

from shards.dataset.index.dataset_file import dataset_json
from shards.dataset.index.files import DATASET_FILE, INDEX_FILE, SHARDS_FILE
from shards.dataset.index.index import Index
from shards.dataset.index.schema import index_schema
from shards.dataset.index.shard_table import ShardEntry
from shards.dataset.index.shards_file import write_shards
from shards.dataset.index.write_index import write_index
from shards.dataset.members.rules import UNWRITTEN, MemberRules
from shards.dataset.tars.reasons import Reasons
from shards.dataset.tars.tar_samples import WALK
from shards.dataset.writing.quarantine import QUARANTINE_FILE, read_quarantine
from shards.dataset.writing.target import Target
from shards.storage.seal import seal_root

if TYPE_CHECKING:
    import pyarrow as pa

TOOL = "shards index"
"""What dataset.json names as its maker when the tars are older than the index."""


class Piece(NamedTuple):
    """What one shard adds to an index."""

    entry: ShardEntry
    state: str
    num_quarantined: int
    table: Callable[[], pa.Table]
    """Its rows; their shard column is written anew."""
    quarantined: Callable[[], Iterable[Mapping[str, Any]]]
    """Lines of quarantine.jsonl."""
    notes: Mapping[str, int] = MappingProxyType({})
    """What is to be said about how many samples; only where the shard was looked into now."""


class Header(NamedTuple):
    """What dataset.json says beside the counts."""

    name: str
    root: str | None
    """Where the shards lie, without credentials; None: beside the index."""
    checksums: bool
    media: bool
    provenance: dict[str, Any]
    rules: MemberRules = UNWRITTEN


def publish_index(target: Target, header: Header, pieces: Sequence[Piece]) -> Reasons:
    """Write the four files of an index; returns why samples are quarantined. pieces: in the order of the shards."""
    reasons = Reasons()
    entries = [piece.entry for piece in pieces]
    num_quarantined = [piece.num_quarantined for piece in pieces]
    num_rows = sum(entry.num_samples for entry in entries)
    tables = (_numbered(number, piece.table()) for number, piece in enumerate(pieces))
    states = [piece.state for piece in pieces]
    contents: list[str] = []
    steps: dict[str, Callable[[str], None]] = {
        INDEX_FILE: lambda path: contents.append(write_index(path, tables, num_rows, header.media)),
        SHARDS_FILE: lambda path: write_shards(path, entries, states, num_quarantined),
        QUARANTINE_FILE: lambda path: _write_lines(path, pieces, reasons),
    }
    staged = {name: target.stage(name, write) for name, write in steps.items()}
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
        contents[-1],
    )
    for name, path in staged.items():
        target.publish(path, name)
    target.put(DATASET_FILE, content)
    return reasons


def pieces_of(opened: Index) -> dict[str, Piece]:
    """Shard name -> what an index says about it."""
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
    """Whether a dataset.json was written here, over tars of somebody else; it may then be replaced."""
    provenance = dataset.get("provenance")
    return isinstance(provenance, dict) and provenance.get("tool") == TOOL


def _numbered(number: int, table: pa.Table) -> pa.Table:
    import numpy as np
    import pyarrow as pa

    column = pa.array(np.full(table.num_rows, number, np.int32))
    table = table.set_column(table.schema.get_field_index("shard"), "shard", column)
    # Dictionaries of a read index, and metadata of a part, are not for the file.
    return table.cast(index_schema("key_frame" in table.column_names))


def _write_lines(path: str, pieces: Sequence[Piece], reasons: Reasons) -> None:
    def lines() -> Iterator[str]:
        for piece in pieces:
            for line in piece.quarantined():
                reasons.add(piece.entry.name, line)
                yield json.dumps({"shard": piece.entry.name, **line}, ensure_ascii=True) + "\n"

    with open(path, "w", encoding="ascii") as file:
        file.writelines(lines())
