"""Pairs of media that show the same: found among the media of a catalogue, and written to files."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from shards.cli import Progress
from shards.read import Origin
from tools.duplicates.boxes import BOXES, CROPS, WHOLE
from tools.duplicates.candidates import Candidates, JoinCounts, find_candidates
from tools.duplicates.catalogue import Catalogue
from tools.duplicates.compare import Likeness, compare

CONTENT, NEAR, IDS = "content", "near", "id"
_ROWS = 1 << 16


class Pair(NamedTuple):
    """Two media that show the same, by their numbers."""

    a: int
    b: int
    kind: str
    """content: equal bytes; near: frames that show the same; id: the name of one video."""
    distance: int = 0
    """Of their nearest hashes, 0 to 256."""
    mirrored: bool = False
    likeness: Likeness | None = None

    @property
    def certainty(self) -> float:
        """0 to 1: how clearly the pair is one; those to look at first have the least."""
        if self.likeness is None:
            return 1.0
        return min(value for value in (self.likeness.motion, self.likeness.blocks) if not math.isnan(value))


def near_pairs(
    catalogue: Catalogue,
    asked: Sequence[tuple[NDArray[np.bool_], NDArray[np.bool_]]],
    counts: JoinCounts,
    progress: Progress | None = None,
) -> list[Pair]:
    """Near-duplicates among the media of a catalogue.

    asked: (media to look up, media to find them among), each (N,), one after the other.
    """
    found: dict[tuple[int, int], Pair] = {}
    for some, others in asked:
        blocks = catalogue.blocks(others)
        candidates = find_candidates(catalogue.looked_up(some), blocks, catalogue.is_still, counts)
        if progress is not None:
            progress.update(progress.done, (progress.total or 0) + len(candidates.a))
        for pair in _decided(catalogue, candidates, progress):
            key = (min(pair.a, pair.b), max(pair.a, pair.b))
            if key not in found or pair.certainty > found[key].certainty:
                found[key] = pair
    return [pair._replace(a=a, b=b) for (a, b), pair in sorted(found.items())]


def _decided(catalogue: Catalogue, candidates: Candidates, progress: Progress | None) -> Iterator[Pair]:
    # In the order of a, and of b for each, so that the pictures of neighbours are read once.
    order = np.lexsort((candidates.b, candidates.a))
    for a, b, box, mirrored, distance in zip(*(column[order].tolist() for column in candidates), strict=True):
        start = BOXES[box] if box < len(CROPS) else WHOLE
        likeness = compare(catalogue.thumbs(a), catalogue.thumbs(b), start, mirrored)
        if progress is not None:
            progress.advance()
        if likeness.is_near_duplicate:
            yield Pair(a, b, NEAR, distance, mirrored, likeness)


def write_pairs(path: Path, pairs: Sequence[Pair], group_of: Mapping[int, int], origins: Mapping[int, Origin]) -> None:
    """Write pairs.parquet: a row per pair, with both sides; group: a number that connected pairs share."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    sides = [(f"{side}_{name}", pa.string()) for side in "ab" for name in ("dataset", "shard", "key")]
    measures = [(name, pa.float32()) for name in Likeness._fields]
    head = [("kind", pa.string()), ("distance", pa.int32()), ("mirrored", pa.bool_()), *measures, ("group", pa.int64())]
    schema = pa.schema([*head, *sides])
    aside = path.with_name(f"{path.name}.part")
    with pq.ParquetWriter(aside, schema) as writer:
        for first in range(0, len(pairs), _ROWS):
            rows = [_row(pair, group_of, origins) for pair in pairs[first : first + _ROWS]]
            writer.write_table(pa.Table.from_pylist(rows, schema))
    os.replace(aside, path)


def _row(pair: Pair, group_of: Mapping[int, int], origins: Mapping[int, Origin]) -> dict[str, Any]:
    measures = pair.likeness._asdict() if pair.likeness is not None else {}
    measures = {name: None if math.isnan(value) else value for name, value in measures.items()}
    row = {
        "kind": pair.kind,
        "distance": pair.distance,
        "mirrored": pair.mirrored,
        "group": group_of.get(pair.a),
        **measures,
    }
    for side, number in (("a", pair.a), ("b", pair.b)):
        origin = origins[number]
        row |= {f"{side}_dataset": origin.dataset, f"{side}_shard": origin.shard, f"{side}_key": origin.key}
    return row


def write_exclusions(path: Path, lines: Iterable[tuple[Origin, str, dict[str, str]]]) -> int:
    """Write an exclusion list of (medium to leave out, reason, more); returns the number of lines.

    An origin without a shard is of every shard.
    """
    aside, count = path.with_name(f"{path.name}.part"), 0
    with open(aside, "w", encoding="ascii") as file:
        for origin, reason, more in lines:
            shard = {"shard": origin.shard} if origin.shard else {}
            where = {"dataset": origin.dataset, **shard, "key": origin.key}
            file.write(json.dumps({**where, "reason": reason, **more}) + "\n")
            count += 1
    os.replace(aside, path)
    return count
