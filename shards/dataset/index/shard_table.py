"""The shards of a dataset as shards.parquet lists them, and the fingerprint over them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import NamedTuple

import numpy as np
import xxhash
from numpy.typing import ArrayLike, NDArray

from shards.base.errors import DatasetError


class ShardEntry(NamedTuple):
    """A row of shards.parquet: one shard."""

    name: str
    num_samples: int
    num_elements: int
    """Records of all samples; -1 if some are not known."""
    bytes: int
    checksum: str
    """XXH3_128 of the whole tar, 32 hexadecimal digits; empty if the tar was indexed from its headers only."""


@dataclass(frozen=True, slots=True)
class ShardTable:
    """The columns of shards.parquet, an entry for each of the S shards."""

    names: list[str]
    num_samples: NDArray[np.int64]
    num_elements: NDArray[np.int64]
    bytes: NDArray[np.int64]
    checksums: list[str]
    first_row: NDArray[np.int64]
    states: list[str] | None = None
    """Time or etag of each tar in its store when it was indexed; None if the index does not keep it."""
    num_quarantined: NDArray[np.int64] | None = None

    def __len__(self) -> int:
        return len(self.names)

    def entries(self) -> Iterator[tuple[str, int, int, int, str]]:
        """The fields of each shard in the order of ShardEntry."""
        columns = (self.num_samples.tolist(), self.num_elements.tolist(), self.bytes.tolist())
        return zip(self.names, *columns, self.checksums, strict=True)

    def fingerprints(self) -> Iterator[str]:
        """The fingerprint of the first shard, of the first two, and so on."""
        digest = xxhash.xxh3_128()
        for shard in self.entries():
            digest.update(_line_of(*shard))
            yield digest.hexdigest()


def check_shard_size(url: str, found: int, expected: int) -> None:
    """Raise DatasetError for a shard of another size than the index says."""
    if found != expected:
        raise DatasetError(
            f"{url}: has {found} bytes, the index expects {expected}; the shard was replaced or cut off, or the index "
            "is older than it: copy shards and index together again"
        )


def fingerprint(shards: Iterable[tuple[str, int, int, int, str]]) -> str:
    """32 hexadecimal digits over the names, counts, sizes and checksums of the shards, in order."""
    lines = (_line_of(*shard) for shard in shards)
    found = xxhash.xxh3_128()
    while some := b"".join(islice(lines, 1024)):
        found.update(some)
    return found.hexdigest()


def _line_of(name: str, num_samples: int, num_elements: int, num_bytes: int, checksum: str) -> bytes:
    return f"{name}\0{num_samples}\0{num_elements}\0{num_bytes}\0{checksum}\n".encode()


def total_records(counts: ArrayLike) -> int:
    """Sum of the numbers of records; -1 if one of them is not known."""
    numbers = np.asarray(counts)
    return -1 if (numbers < 0).any() else int(numbers.sum())
