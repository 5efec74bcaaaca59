"""The rows of one shard of index.parquet in memory, about 60 bytes a sample."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, overload

import numpy as np
from numpy.typing import NDArray

from shards.dataset.index.member_columns import MemberColumns
from shards.dataset.index.rows import MemberRow
from shards.dataset.members.rules import UNWRITTEN, MemberRules
from shards.media.facts import KeyFrames, MediaFacts

if TYPE_CHECKING:
    import pyarrow as pa


_NUMBERS = ("width", "height", "num_frames", "fps", "duration", "start_time")


class Ranges(NamedTuple):
    """The byte ranges of n samples in their shards: (3, n) each, of medium, json and other text in this order.

    Where `there` is False there is no such member, and the other fields hold any number. has_checksum: whether somebody
    computed one.
    """

    there: NDArray[np.bool_]
    offset: NDArray[Any]
    size: NDArray[Any]
    checksum: NDArray[Any]
    has_checksum: NDArray[np.bool_]


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
        self._kind, self._codec = (_compact(np.asarray(column.indices)).data for column in (kind, codec))
        self._numbers = [numbers(name).data for name in _NUMBERS]
        """Width, height, frames, frames per second, duration and start time."""

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
        at = self._chosen[:, rows]
        there = at >= 0
        if not len(self._ext):  # no sample of the shard has a member
            at = np.zeros_like(at)
            return Ranges(there, at, at, at, there)
        return Ranges(there, self._offset[at], self._size[at], self._checksum[at], self._has_checksum[at])

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

    def facts(self, row: int, look_up_key_frames: Callable[[], KeyFrames | None] | None = None) -> MediaFacts:
        """The media facts of one sample; look_up_key_frames: reads its GOP table."""
        width, height, num_frames, fps, duration, start_time = [column[row] for column in self._numbers]
        kind, codec = self._kinds[self._kind[row]], self._codecs[self._codec[row]]
        return MediaFacts(kind, codec, width, height, num_frames, fps, duration, start_time, look_up_key_frames)

    @property
    def may_hold_videos(self) -> bool:
        """False if no sample of the shard is a video, as far as the index knows."""
        return "video" in self._kinds

    def extents(self, rows: NDArray[np.int64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """(pixels of a frame, frames) of many samples, (n,) each; 0 where they are not known."""
        width, height, num_frames = (np.asarray(column)[rows].astype(np.float64) for column in self._numbers[:3])
        return width * height, num_frames

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
        self._bounds = (bounds - bounds[0]).data  # gives Python's numbers, in a third of the time of an array

    def __len__(self) -> int:
        return len(self._bounds) - 1

    @overload
    def __getitem__(self, at: int) -> str: ...
    @overload
    def __getitem__(self, at: slice) -> list[str]: ...
    def __getitem__(self, at: int | slice) -> str | list[str]:
        if isinstance(at, slice):
            return [self[number] for number in range(len(self))[at]]
        number = at if at >= 0 else at + len(self)
        if not 0 <= number < len(self):
            raise IndexError(f"text {at} of {len(self)}")
        return self._bytes[self._bounds[number] : self._bounds[number + 1]].decode()


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
