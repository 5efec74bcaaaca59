"""What the samples of a dataset hold, as two numbers a sample: hashes of the key and of the text records.

Promises: shards are read in order and only their text members; memory is 16 bytes a sample, and about 200 for each row
that a build merged into a sample (same medium, texts of both).
"""

from __future__ import annotations

import json
from array import array
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import xxhash
from numpy.typing import NDArray

from shards.base import PrintableError
from shards.dataset import Index, TextError, read_texts
from tools.trust.texts import TextFigures

_AT_ONCE = 512
MERGED_RECORDS = "merged_records"
"""Field of a sample's json that lists the rows merged into it, each with its "record" in the annotation file."""


class Contents:
    """Hashes of keys and records, in the order of the dataset."""

    def __init__(self, keys: NDArray[np.uint64], records: NDArray[np.uint64]) -> None:
        self.records = records
        """0: the texts cannot be read."""
        self.merged: dict[int, int] = {}
        """Hash of the record id of a merged row -> number of its sample."""
        self.several: dict[int, frozenset[int]] = {}
        """Number of a sample with merged rows -> hashes of its records, one by one."""
        self._order = np.argsort(keys, kind="stable")
        self._sorted = keys[self._order]

    def __len__(self) -> int:
        return len(self.records)

    def has(self, number: int, records: Sequence[Mapping[str, Any]]) -> bool:
        """True if a sample holds these records, and no others unless rows were merged into it."""
        if number in self.several:
            return self.several[number].issuperset(records_hash([record]) for record in records)
        return int(self.records[number]) == records_hash(records)

    def find(self, keys: Sequence[str]) -> NDArray[np.int64]:
        """Numbers of the samples with these keys, -1 where there is none."""
        if not len(self._sorted):
            return np.full(len(keys), -1)
        wanted = np.array([key_hash(key) for key in keys], np.uint64)
        at = np.minimum(np.searchsorted(self._sorted, wanted), len(self._sorted) - 1)
        return np.where(self._sorted[at] == wanted, self._order[at], -1)


def read_contents(index: Index, figures: TextFigures, done: Callable[[int], None]) -> Contents:
    """Read the texts of all samples once, for their hashes and figures. done: called with numbers of samples read.

    Raises DatasetError; SourceError where the store fails; a shard that is missing gives unreadable samples.
    """
    keys, hashes = array("Q"), array("Q")
    merged: dict[int, int] = {}
    several: dict[int, frozenset[int]] = {}
    for shard, name in enumerate(index.shards.names):
        rows = index.rows(shard)
        for start in range(0, len(rows.keys), _AT_ONCE):
            numbers = range(start, min(start + _AT_ONCE, len(rows.keys)))
            found: Sequence[Any]
            try:
                found = read_texts(index.shard_source, name, [rows.members(row) for row in numbers], index.rules)
            except PrintableError as error:
                found = [TextError(str(error))] * len(numbers)
            for row, texts in zip(numbers, found, strict=True):
                key = rows.keys[row]
                keys.append(key_hash(key))
                if isinstance(texts, TextError):
                    figures.refuse(key, str(texts))
                    hashes.append(0)
                else:
                    figures.add(key, texts.records)
                    if isinstance(others := texts.meta.get(MERGED_RECORDS), list):
                        several[len(hashes)] = frozenset(records_hash([record]) for record in texts.records)
                        merged |= {
                            key_hash(str(other.get("record"))): len(hashes)
                            for other in others
                            if isinstance(other, dict)
                        }
                    hashes.append(records_hash(texts.records))
            done(len(numbers))
    contents = Contents(np.frombuffer(keys, np.uint64), np.frombuffer(hashes, np.uint64))
    contents.merged, contents.several = merged, several
    return contents


def key_hash(key: str) -> int:
    """A 64-bit number for a key."""
    return xxhash.xxh3_64_intdigest(key.encode("utf-8", "surrogatepass"))


def records_hash(records: Sequence[Mapping[str, Any]]) -> int:
    """A 64-bit number, not 0, for the records of a sample, whatever the order of their fields."""
    return xxhash.xxh3_64_intdigest(json.dumps(list(records), sort_keys=True).encode()) or 1
