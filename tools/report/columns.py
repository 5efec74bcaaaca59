"""Figures of a dataset by the columns of its index, read row group by row group; no shard is opened.

Promises: memory is bounded whatever the number of samples: one row group, distributions of numbers and the commonest
names (shards/cli/verbs/distributions.py).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from shards.cli import Distribution, Names
from shards.dataset import Index

if TYPE_CHECKING:
    import pyarrow as pa

_COLUMNS = ("shard", "key", "member_size", "num_records", "kind", "codec", "width", "height", "fps", "duration")


class IndexFigures:
    """What the index of a dataset says about its samples."""

    def __init__(self) -> None:
        self.num_samples = 0
        self.bytes, self.duration, self.num_records = Distribution(), Distribution(), Distribution()
        self.media, self.resolution, self.fps = Names(), Names(), Names()
        self.without_facts = 0
        """Samples of which the index holds no media facts."""

    def add(self, table: pa.Table, sizes: NDArray[np.int64]) -> None:
        """Add the samples of a row group. sizes: bytes of each."""
        self.num_samples += table.num_rows
        self.bytes.add(sizes)
        self.num_records.add(_numbers(table, "num_records"))
        width, height = _numbers(table, "width"), _numbers(table, "height")
        known = width > 0
        self.without_facts += int((~known).sum())
        moves = known & (_numbers(table, "duration") > 0)
        self.duration.add(_numbers(table, "duration")[moves])
        _count(self.fps, (f"{fps:.4g}" for fps in _numbers(table, "fps")[moves].tolist()))
        _count(self.media, _names(table, known))
        _count(self.resolution, map("{}x{}".format, width[known].tolist(), height[known].tolist()))


def scan(index: Index, each: Callable[[pa.Table, NDArray[np.int64]], None]) -> IndexFigures:
    """The figures of an index. each: called with every row group and the bytes of its samples, in order."""
    figures = IndexFigures()
    for _, _, table in index.scan(_COLUMNS):
        sizes = _sizes(table)
        figures.add(table, sizes)
        each(table, sizes)
    return figures


def _sizes(table: pa.Table) -> NDArray[np.int64]:
    """Bytes of the members of each sample together."""
    column = table.column("member_size").combine_chunks()
    counts = np.diff(column.offsets.to_numpy())
    sample = np.repeat(np.arange(table.num_rows), counts)
    return np.bincount(sample, column.flatten().to_numpy(), table.num_rows).astype(np.int64)


def _names(table: pa.Table, known: NDArray[np.bool_]) -> Iterable[str]:
    """Kind and codec of the samples with facts, "video h264"."""
    rows = table.select(["kind", "codec"]).filter(known)
    return map("{} {}".format, rows.column("kind").to_pylist(), rows.column("codec").to_pylist())


def _numbers(table: pa.Table, name: str) -> NDArray[Any]:
    return np.asarray(table.column(name).to_numpy())


def _count(names: Names, values: Iterable[str]) -> None:
    counts = Counter(values)
    names.add(counts.keys(), counts.values())
