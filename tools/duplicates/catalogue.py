"""Catalogue: the media of several datasets under one row of numbers, with the side tables of their looks behind it."""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from shards.read import Origin
from tools.duplicates.candidates import Hashes, to_be_found, to_look_up
from tools.duplicates.hashing import FRAME_HASHES, WORDS
from tools.duplicates.look import Thumbs
from tools.duplicates.side_table import Place

if TYPE_CHECKING:
    import pyarrow as pa

_BLOCK = 1 << 17
"""Frames whose hashes are joined at once; 150 MB."""
_KEPT_GROUPS = 32
"""Row groups of pictures that are kept."""
_NUMBERS = ("size", "checksum", "pixels")


class Catalogue:
    """The media of some datasets, numbered in their order."""

    def __init__(self, tables: Sequence[tuple[Place, Path]]) -> None:
        import pyarrow.parquet as pq

        self.places = [place for place, _ in tables]
        self._files = [pq.ParquetFile(path) for _, path in tables]
        sizes = [
            (number, group, file.metadata.row_group(group).num_rows)
            for number, file in enumerate(self._files)
            for group in range(file.num_row_groups)
        ]
        self._groups = [(number, group) for number, group, _ in sizes]
        self._first = np.cumsum([0, *(rows for *_, rows in sizes)])
        """(G + 1,) number of the first medium of each row group, and the number of all."""
        self.dataset = np.repeat([number for number, *_ in sizes], np.diff(self._first))
        """(N,) the place of each medium, by number."""
        columns = [self._numbers(group) for group in range(len(self._groups))]
        self.size, self.checksum, self.pixels, frames = (
            np.concatenate([column[at] for column in columns]) for at in range(4)
        )
        """(N,) bytes, checksum (-1: not known) and pixels of a frame of each medium."""
        self.is_still = frames == 1
        """(N,) True for pictures, and videos of one frame."""
        self.has_look = frames > 0
        """(N,) False for media that could not be looked at."""
        self._kept: OrderedDict[int, pa.Table] = OrderedDict()

    def __len__(self) -> int:
        return int(self._first[-1])

    def looked_up(self, chosen: NDArray[np.bool_]) -> Hashes:
        """What the chosen (N,) media are looked up by."""
        found = [Hashes(medium, to_look_up(hashes)) for medium, hashes in self._hashes(chosen)]
        return _joined(found) if found else Hashes(np.zeros(0, np.int64), np.zeros((0, 6, WORDS), np.uint64))

    def blocks(self, chosen: NDArray[np.bool_]) -> Iterator[Hashes]:
        """What the chosen (N,) media are found by, a block at a time."""
        waiting: list[Hashes] = []
        for medium, hashes in self._hashes(chosen):
            waiting.append(Hashes(medium, to_be_found(hashes)))
            if sum(len(some.medium) for some in waiting) >= _BLOCK:
                yield _joined(waiting)
                waiting = []
        if waiting:
            yield _joined(waiting)

    def thumbs(self, number: int) -> Thumbs:
        """The small pictures of a medium."""
        group = self._group_of(number)
        table = self._kept.pop(group, None)
        if table is None:
            table = self._read(group, ["thumbs"])
        self._kept[group] = table
        while len(self._kept) > _KEPT_GROUPS:
            self._kept.popitem(last=False)
        return Thumbs.unpacked(table.column("thumbs")[number - int(self._first[group])].as_py())

    def failures(self) -> tuple[Counter[str], list[str]]:
        """How many media could not be looked at, by stage, and some of them with the reason."""
        counts: Counter[str] = Counter()
        examples: list[str] = []
        for group in range(len(self._groups)):
            rows = self._read(group, ["shard", "key", "stage", "reason"])
            for row in rows.filter(rows.column("stage").is_valid()).to_pylist():
                counts[row["stage"]] += 1
                if len(examples) < 100:
                    origin = Origin(str(self.places[self._groups[group][0]].name), row["shard"], row["key"])
                    examples.append(f"{origin}: {row['stage']}: {row['reason']}")
        return counts, examples

    def _hashes(self, chosen: NDArray[np.bool_]) -> Iterator[tuple[NDArray[np.int64], NDArray[np.uint64]]]:
        """(numbers, (n, FRAME_HASHES, 4)) of the frames of the chosen media, a row group at a time."""
        width = FRAME_HASHES * WORDS * 8
        for group in range(len(self._groups)):
            first, stop = self._first[group : group + 2]
            wanted = np.flatnonzero(chosen[first:stop])
            if not len(wanted):
                continue
            column = self._read(group, ["hashes"]).column("hashes").take(wanted).to_pylist()
            counts = [len(data or b"") // width for data in column]
            hashes = np.frombuffer(b"".join(data or b"" for data in column), "<u8").astype(np.uint64)
            yield np.repeat(wanted + first, counts), hashes.reshape(-1, FRAME_HASHES, WORDS)

    def _numbers(self, group: int) -> list[NDArray[np.int64]]:
        import pyarrow.compute as pc

        table = self._read(group, [*_NUMBERS, "thumbs"])
        bytes_of = pc.fill_null(pc.binary_length(table.column("thumbs")), 0).to_numpy().astype(np.int64)
        found = [pc.fill_null(table.column(name).cast("int64"), -1).to_numpy() for name in _NUMBERS]
        return [*found, bytes_of // Thumbs.FRAME_BYTES]

    def _read(self, group: int, names: list[str]) -> Any:
        number, own = self._groups[group]
        return self._files[number].read_row_group(own, names)

    def _group_of(self, number: int) -> int:
        return int(np.searchsorted(self._first, number, side="right")) - 1


def _joined(blocks: Sequence[Hashes]) -> Hashes:
    return Hashes(*(np.concatenate(column) for column in zip(*blocks, strict=True)))
