"""Columns of a side table by the samples of an index: numbers in memory, texts on disk; and what tells them apart.

Promises: a number takes 4 bytes a sample (single precision, small whole numbers, true and false) or 8, an unknown one
is NaN; of texts only which row each sample has is held, 4 bytes. A digest of every shard's values says whether another
table has the same, whatever the order of its rows and however the file is packed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import xxhash
from numpy.typing import NDArray

from shards.order.order import Int64
from shards.select.side_file import SideFile
from shards.select.side_join import Positions
from shards.select.text_blocks import TextBlocks, TextCache

if TYPE_CHECKING:
    import pyarrow as pa


class NumberColumn:
    """A column of numbers, or of true and false as 1 and 0."""

    def __init__(self, file: SideFile, name: str, positions: Positions, num_samples: Int64) -> None:
        """positions: the row of each sample. num_samples: of each shard."""
        whole = _read_numbers(file, name)
        self.values: NDArray[np.floating[Any]]
        """(N,) the value of each sample, NaN: unknown."""
        if len(positions) == len(whole) and (np.diff(positions, prepend=-1) == 1).all():  # nothing is moved
            self.values = whole
        else:
            self.values = np.full(len(positions), np.nan, whole.dtype)
            known = positions >= 0
            self.values[known] = whole[positions[known]]
        self.digests = digests_of(self.values, num_samples)
        """A digest of each shard's values."""


class TextColumn:
    """A column of texts, or of lists of texts."""

    def __init__(
        self,
        file: SideFile,
        name: str,
        positions: Positions,
        num_samples: Int64,
        cache: TextCache,
        texts_of: Callable[[Any], list[str]],
    ) -> None:
        """cache: where texts are kept. texts_of: the texts of a value that count."""
        self._positions = positions
        self.rows = positions.data
        """(N,) the row of each sample, -1 for none; numbers of Python."""
        self.blocks = TextBlocks(file, name, cache)
        self.num_characters = 0
        """Of all texts of the table together."""
        counts, hashes = np.zeros(file.num_rows + 1, np.int32), np.zeros(file.num_rows + 1, np.uint64)
        for first, values in self.blocks.all():
            texts = [texts_of(value) for value in values]
            counts[first : first + len(texts)] = [len(some) for some in texts]
            hashes[first : first + len(texts)] = [_hash(some) for some in texts]
            self.num_characters += sum(len(text) for some in texts for text in some)
        # Position -1 is the last entry, which stands for no text.
        self.num_texts: NDArray[np.int32] = counts[positions]
        """(N,) texts of each sample."""
        self.digests = digests_of(hashes[positions], num_samples)
        """A digest of each shard's texts."""

    def prefetch(self, samples: Int64) -> None:
        """Have the values of samples in memory, given by their numbers in the whole index."""
        self.blocks.prefetch(self._positions[samples])

    def value(self, sample: int) -> Any:
        """The value of a sample; None where there is none. Raises SideTableError, SourceError."""
        row = self.rows[sample]
        return None if row < 0 else self.blocks.value(row)

    def values(self, first: int, stop: int) -> list[Any]:
        """The values of samples first..stop."""
        return [self.value(sample) for sample in range(first, stop)]


def one_text(value: str | None) -> list[str]:
    """The text of a value that `where` compares."""
    return [] if value is None else [value]


def digests_of(values: NDArray[Any], num_samples: Int64) -> list[bytes]:
    """8 bytes for each shard over the values of its samples."""
    ends = np.cumsum(num_samples).tolist()
    data: Any = values.view(np.uint8).reshape(len(values), values.itemsize)
    return [
        xxhash.xxh3_64_digest(data[end - count : end]) for end, count in zip(ends, num_samples.tolist(), strict=True)
    ]


def _hash(texts: list[str]) -> int:
    """64 bits over texts, 0 for none."""
    if len(texts) == 1:
        return xxhash.xxh3_64_intdigest(texts[0].encode())
    return xxhash.xxh3_64_intdigest(b"".join(xxhash.xxh3_64_digest(text.encode()) for text in texts)) if texts else 0


def _read_numbers(file: SideFile, name: str) -> NDArray[np.floating[Any]]:
    """(R,) a column of a table, in the precision that holds its values."""
    import pyarrow as pa

    whole: NDArray[np.floating[Any]] | None = None
    for group, table in enumerate(file.groups([name])):
        column = table.column(0)
        kind = pa.float32() if _is_narrow(column.type) else pa.float64()
        if whole is None:
            whole = np.empty(file.num_rows, np.float32 if kind == pa.float32() else np.float64)
        values = column.cast(kind, safe=False).to_numpy()
        whole[file.first_rows[group] : file.first_rows[group + 1]] = values
    return np.empty(0, np.float64) if whole is None else whole


def _is_narrow(kind: pa.DataType) -> bool:
    """True for values that single precision holds as they are."""
    import pyarrow as pa

    is_ = pa.types
    small = (is_.is_boolean, is_.is_float16, is_.is_float32, is_.is_int8, is_.is_int16, is_.is_uint8, is_.is_uint16)
    return any(test(kind) for test in small)
