"""The rows of one shard of index.parquet in memory, about 60 bytes a sample."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, overload

import numpy as np
from numpy.typing import NDArray

from shards.dataset.index.member_columns import MemberColumns
from shards.dataset.index.rows import MemberRow
from shards.dataset.members.rules import UNWRITTEN, MemberRules
from shards.media.facts import MediaFacts

if TYPE_CHECKING:
    import pyarrow as pa


class Ranges(NamedTuple):
    """The byte ranges of n samples in their shards: int64 (3, n), of medium, json and other text in this order.

    size is -1 where there is no such member and -2 for a negative size, which is damage. has_checksums: bool (n,),
    whether all members that are there have a checksum; has_some: whether at least one has.
    """

    offset: NDArray[np.int64]
    size: NDArray[np.int64]
    checksum: NDArray[np.int64]
    has_checksums: NDArray[np.bool_]
    has_some: NDArray[np.bool_]


class ShardRows:
    """The rows of one shard as compact arrays, which keep nothing of the row group alive that they were read from."""

    def __init__(self, table: pa.Table, verified: bool = True, rules: MemberRules = UNWRITTEN) -> None:
        def column(name: str) -> pa.Array:
            return table.column(name).combine_chunks()

        def numbers(name: str) -> NDArray[Any]:
            return _compact(column(name).to_numpy(zero_copy_only=False))

        members = MemberColumns(table)
        checksum, known = members.checksums()
        if verified and not known.all():
            raise ValueError("holds no member checksums")
        self.keys = _PackedTexts(column("key"))
        self.num_records = numbers("num_records")
        """-1: not known."""
        first = np.zeros(len(self.num_records) + 1, np.int64)
        np.cumsum(self.num_records, out=first[1:])
        self.first_element = _compact(first)
        """Number of records before each sample, and their total at the end; of no use where some are not known."""
        self._starts, self._ext_names, self._ext = _compact(members.starts), members.names, _compact(members.ext)
        self._offset, self._size = (_compact(members.numbers(name)) for name in ("member_offset", "member_size"))
        self._has_checksum, self._checksum = _compact(known), _compact(checksum)
        self._chosen = _compact(members.chosen(rules))
        kind, codec = column("kind"), column("codec")
        self._kinds: list[str] = kind.dictionary.to_pylist()
        self._codecs: list[str] = codec.dictionary.to_pylist()
        self._kind, self._codec = _compact(np.asarray(kind.indices)), _compact(np.asarray(codec.indices))
        self._width, self._height, self._num_frames = numbers("width"), numbers("height"), numbers("num_frames")
        self._fps, self._duration, self._start_time = numbers("fps"), numbers("duration"), numbers("start_time")

    def __len__(self) -> int:
        return len(self.keys)

    @property
    def weight(self) -> int:
        """Rows of a few members each that take as much memory."""
        return max(len(self), len(self._ext) // 4)

    def members(self, row: int) -> tuple[MemberRow, ...]:
        """The members of one sample in the order of the tar."""
        return tuple(
            MemberRow(
                self._ext_names[self._ext[i]],
                int(self._offset[i]),
                int(self._size[i]),
                int(self._checksum[i]) if self._has_checksum[i] else None,
            )
            for i in range(self._starts[row], self._starts[row + 1])
        )

    def ranges(self, rows: NDArray[np.int64]) -> Ranges:
        """The byte ranges of the members that are read, of many samples at once."""
        first = self._chosen[:, rows].astype(np.int64)
        there = first >= 0
        if not len(self._ext):
            first = np.full_like(first, -1)
        at = np.maximum(first, 0)

        def pick(values: NDArray[Any], missing: Any) -> NDArray[Any]:
            return np.where(there, values[at] if len(values) else missing, missing)

        size = pick(self._size.astype(np.int64, copy=False), -1)
        return Ranges(
            pick(self._offset, 0).astype(np.int64, copy=False),
            np.where(there & (size < 0), -2, size),
            pick(self._checksum, 0).astype(np.int64),
            np.asarray(pick(self._has_checksum, True).all(0)),
            np.asarray(pick(self._has_checksum, False).any(0)),
        )

    def chosen(self, row: int) -> list[MemberRow | None]:
        """The medium, the json and the other text of one sample by the rules; None where it has none."""
        members, first = self.members(row), int(self._starts[row])
        return [members[at - first] if at >= 0 else None for at in self._chosen[:, row].tolist()]

    def medium(self, row: int) -> MemberRow | None:
        """The medium of one sample, None if no member is one by the rules."""
        return self.chosen(row)[0]

    def text_bytes(self, row: int) -> int:
        """Size of the texts of one sample together."""
        return sum(int(self._size[at]) for at in self._chosen[1:, row].tolist() if at >= 0)

    def facts(self, row: int) -> MediaFacts:
        """The media facts of one sample."""
        return MediaFacts(
            kind=self._kinds[self._kind[row]],
            codec=self._codecs[self._codec[row]],
            width=int(self._width[row]),
            height=int(self._height[row]),
            num_frames=int(self._num_frames[row]),
            fps=float(self._fps[row]),
            duration=float(self._duration[row]),
            start_time=float(self._start_time[row]),
        )

    def element(self, number: int) -> tuple[int, int]:
        """(sample, record) of the element with this number inside the shard."""
        sample = int(np.searchsorted(self.first_element, number, side="right")) - 1
        return sample, number - int(self.first_element[sample])


class _PackedTexts(Sequence[str]):
    """Many short texts in one piece of memory, a fifth of what as many strings take."""

    def __init__(self, array: pa.StringArray) -> None:
        _, ends, data = array.buffers()
        bounds = np.frombuffer(ends, np.int32)[array.offset : array.offset + len(array) + 1].copy()
        self._bytes = b"" if data is None else bytes(memoryview(data)[bounds[0] : bounds[-1]])
        self._bounds = bounds - bounds[0]

    def __len__(self) -> int:
        return len(self._bounds) - 1

    @overload
    def __getitem__(self, at: int) -> str: ...
    @overload
    def __getitem__(self, at: slice) -> list[str]: ...
    def __getitem__(self, at: int | slice) -> str | list[str]:
        numbers = range(len(self))[at]
        if isinstance(numbers, range):
            return [self[number] for number in numbers]
        return self._bytes[self._bounds[numbers] : self._bounds[numbers + 1]].decode()


def _compact(values: NDArray[Any]) -> NDArray[Any]:
    """The same numbers in the smallest integers that hold them; a constant column is one number, broadcast."""
    if len(values) and (values == values[0]).all():
        return np.broadcast_to(values[:1].copy(), values.shape)
    if values.dtype.kind in "iu" and len(values):
        low, high = values.min(), values.max()
        for kind in (np.int8, np.int16, np.int32):
            if np.iinfo(kind).min <= low and high <= np.iinfo(kind).max:
                return values.astype(kind)
    return values.copy()
