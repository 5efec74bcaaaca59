"""Compare a dataset with its annotation files, both ways: missing samples, extra samples, changed texts.

Promises: the files are parsed again by the dataset's own parser, row by row; every row is found as a sample or in the
quarantine, and every sample comes from a row: rows in = samples + merged + quarantined.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import numpy as np

from shards.dataset import Index
from tools.rows import BadRow, Row
from tools.trust.contents import Contents, key_hash
from tools.trust.quarantine import read_lines

_AT_ONCE = 4096
_EXAMPLES = 10


@dataclass(slots=True)
class Comparison:
    """The accounts of a comparison."""

    rows: int = 0
    samples: int = 0
    quarantined: int = 0
    merged: int = 0
    missing: int = 0
    """Rows that are neither a sample nor in the quarantine."""
    refused: int = 0
    """Rows that the parser refuses now and that are not in the quarantine."""
    extra: int = 0
    """Samples that no row gives."""
    changed: int = 0
    """Samples with other texts than their row."""
    examples: dict[str, list[str]] = field(default_factory=dict)

    @property
    def num_problems(self) -> int:
        """Rows and samples that do not fit."""
        return self.missing + self.refused + self.extra + self.changed

    def tell(self, what: str, example: str) -> None:
        """Count a row or sample that does not fit."""
        setattr(self, what, getattr(self, what) + 1)
        told = self.examples.setdefault(what, [])
        if len(told) < _EXAMPLES:
            told.append(example)


def compare(index: Index, contents: Contents, rows: Iterable[Row | BadRow]) -> Comparison:
    """Compare the contents of a dataset with the rows that it should hold. Raises what parsing raises."""
    found = Comparison()
    left_out = Counter(key_hash(str(line.get("record", ""))) for line in read_lines(index))
    seen = np.zeros(len(contents), bool)
    stream = iter(rows)
    while batch := list(islice(stream, _AT_ONCE)):
        found.rows += len(batch)
        _compare(found, contents, seen, left_out, batch)
    found.samples = int(seen.sum())
    for number in np.flatnonzero(~seen)[:_EXAMPLES].tolist():
        found.examples.setdefault("extra", []).append(_key(index, number))
    found.extra = int((~seen).sum())
    return found


def _compare(found: Comparison, contents: Contents, seen: Any, left_out: Counter[int], batch: Sequence[Any]) -> None:
    samples: list[Row] = []
    for row in batch:
        record = key_hash(row.record_id)
        if left_out[record] > 0:
            left_out[record] -= 1
            found.quarantined += 1
        elif isinstance(row, BadRow):
            found.tell("refused", f"{row.record_id}: {row.reason}")
        elif record in contents.merged:
            found.merged += 1
            if not contents.has(contents.merged[record], row.records):
                found.tell("changed", f"{row.record_id}: {row.key}")
        else:
            samples.append(row)
    for row, number in zip(samples, contents.find([row.key for row in samples]).tolist(), strict=True):
        if number < 0:
            found.tell("missing", f"{row.record_id}: {row.key}")
            continue
        seen[number] = True
        if not contents.has(number, row.records):
            found.tell("changed", f"{row.record_id}: {row.key}")


def _key(index: Index, number: int) -> str:
    """Shard and key of a sample."""
    ends = np.cumsum(index.shards.num_samples)
    shard = int(np.searchsorted(ends, number, side="right"))
    row = number - int(ends[shard] - index.shards.num_samples[shard])
    return f"{index.shards.names[shard]}:{index.rows(shard).keys[row]}"
