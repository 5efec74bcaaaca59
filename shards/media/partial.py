"""Partial fetch: of a video only the bytes that a clip needs, the container's header and some groups of pictures.

A GOP (group of pictures) is the packets from one key frame to the next. With the GOP table of the index a PartialMedium
guesses which bytes the frames of a plan need and fetches them at once (`bring`). The guess is only a guess: whatever
else a demuxer reads is fetched when it reads it, so what is decoded never depends on the table, and no byte is fetched
twice. `whole` fetches what is missing.
Given up: the checksum of a medium that was not fetched whole cannot be compared, so damage is found by decoding or,
outside the needed bytes, not at all.
A local video is a PartialMedium too, with all of its bytes: then the table saves decoding.
"""

from __future__ import annotations

from bisect import bisect_right, insort
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from shards.base.counters import Counters
from shards.media.spans import Span, merge_spans
from shards.storage.file import SeekableFile

if TYPE_CHECKING:
    from shards.media.facts import KeyFrames

BLOCK = 1 << 16
"""Bytes fetched when a demuxer reads what was not fetched ahead; twice as many each time that it reads on."""
_MAX_BLOCK = 1 << 22
_REORDER = 3
"""Frames by which a decoder may lag: to show the last ones of a GOP it reads into the next."""
_KEY_FRAME_FRACTION = 4
"""A key frame is guessed to take at most one such fraction of its GOP."""
_FRAME_HEADER_BYTES = 16
"""Size of what a container's tables say of one frame, guessed."""


class FetchSizes(NamedTuple):
    """The sizes, in bytes, by which a video is fetched."""

    block: int = BLOCK
    whole_share: float = 0.75
    """A medium is fetched whole if at least this share of it is needed."""
    before: int = 1 << 12
    """Bytes before a key frame: a demuxer of Matroska goes to the head of the cluster that holds it."""
    header_bytes: int = 1 << 15
    """Size of a container's tables without frames, guessed."""


FETCH_SIZES = FetchSizes()

Fetch = Callable[[Sequence[Span]], list[bytes]]
"""Bytes of spans of a medium, all of them; raises SourceError."""


COUNTS = ("media", "bytes", "fetched_bytes", "requests", "whole")
"""media and bytes: media asked for and their sizes; fetched_bytes: bytes of requests; whole: media that were fetched
whole in the end."""


class PartialMedium:
    """A video of which bytes are fetched when they are needed, with its GOP table. For one thread."""

    def __init__(
        self,
        size: int,
        key_frames: KeyFrames,
        fetch: Fetch,
        check: Callable[[bytes], None] | None = None,
        counts: Counters | None = None,
        sizes: FetchSizes = FETCH_SIZES,
    ) -> None:
        """size: bytes. check is given all of them, once they are all fetched; raises MediaError if they are damaged."""
        self.size = size
        self.key_frames = key_frames
        self.error: BaseException | None = None
        """The error that `fetch` raised while a demuxer was reading; FFmpeg may swallow it."""
        self.is_fetching = False
        """True while it waits for bytes; another thread may look at it."""
        self._fetch, self._check = fetch, check
        self._pieces: list[tuple[int, bytes]] = []
        self._is_whole = False
        self._sizes = sizes
        self._block, self._read_to = sizes.block, -1
        self._counts = counts or Counters(*COUNTS)
        self._counts.add("media")
        self._counts.add("bytes", size)

    def __len__(self) -> int:
        return self.size

    @property
    def held(self) -> int:
        """Bytes of it in memory."""
        return sum(len(piece) for _, piece in self._pieces)

    @classmethod
    def of_bytes(cls, data: bytes, key_frames: KeyFrames) -> PartialMedium:
        """A medium whose bytes are all in memory."""
        medium = cls(len(data), key_frames, _fetch_nothing)
        medium._pieces, medium._is_whole = [(0, data)], True
        return medium

    def opening(self) -> list[Span]:
        """The spans that a demuxer reads first: the beginning with the first frame; the end, if tables are there."""
        first, second = self.key_frames.offsets[:2]
        tables = self._sizes.header_bytes + _FRAME_HEADER_BYTES * self.key_frames.frames[-1]
        spans = [(0, first + max(self._sizes.block, (second - first) // _KEY_FRAME_FRACTION))]
        if first < tables // 4:
            spans.append((self.size - tables, self.size))
        return merge_spans(spans, self.size)

    def bring(self, frames: Iterable[int]) -> None:
        """Fetch in one go what decoding these frames will read, as far as it is missing."""
        if self._is_whole:
            return
        numbers, _, offsets = self.key_frames
        starts = sorted(offsets)
        spans = self.opening()
        for frame in set(frames):
            key = max(0, bisect_right(numbers, frame) - 1)
            after = bisect_right(starts, offsets[key])
            stop = starts[after] if after < len(starts) else self.size
            near_end = key + 1 < len(numbers) and numbers[key + 1] - frame <= _REORDER
            spans.append((offsets[key] - self._sizes.before, stop + near_end * self._sizes.block))
        spans = merge_spans(spans, self.size)
        if sum(stop - start for start, stop in spans) < self._sizes.whole_share * self.size:
            self._get(self._missing(spans))
        else:
            self.whole()

    def add(self, spans: Sequence[Span], pieces: Sequence[bytes]) -> None:
        """Take bytes that were fetched together with others."""
        for (start, _), piece in zip(spans, pieces, strict=True):
            insort(self._pieces, (start, piece), key=_start)
        self._counts.add("fetched_bytes", sum(map(len, pieces)))

    def open(self) -> SeekableFile:
        """A file over all of its bytes, for a demuxer."""
        return _File(self)

    def whole(self) -> bytes:
        """All bytes. Raises SourceError, and MediaError if the checksum says that they are damaged."""
        self._get(self._missing([(0, self.size)]))
        if len(self._pieces) > 1:
            self._pieces = [(0, b"".join(piece for _, piece in self._pieces))]
        data = self._pieces[0][1]
        if not self._is_whole:
            self._is_whole = True
            self._counts.add("whole")
            if self._check is not None:
                self._check(data)
        return data

    def read(self, start: int, length: int) -> bytes:
        """Some bytes from start on, as demuxers read; missing ones are fetched in blocks."""
        at = bisect_right(self._pieces, start, key=_start) - 1
        if at >= 0 and start < _stop(self._pieces[at]):
            first, piece = self._pieces[at]
            return piece[start - first : start - first + length]
        behind = self._pieces[at + 1][0] if at + 1 < len(self._pieces) else self.size
        self._block = min(2 * self._block, _MAX_BLOCK) if start == self._read_to else self._sizes.block
        self._read_to = min(start + max(length, self._block), behind)
        try:
            self._get([(start, self._read_to)])
        except BaseException as error:
            self.error = error
            raise
        return self.read(start, length)

    def _missing(self, spans: Sequence[Span]) -> list[Span]:
        """The bytes of disjoint spans that are not in memory."""
        missing = []
        for start, stop in spans:
            for first, piece in self._pieces:
                if start < stop and first < stop and first + len(piece) > start:
                    missing.append((start, first))
                    start = first + len(piece)
            missing.append((start, stop))
        return [(start, stop) for start, stop in missing if start < stop]

    def _get(self, spans: Sequence[Span]) -> None:
        if spans:
            self.is_fetching = True
            try:
                self.add(spans, self._fetch(spans))
            finally:
                self.is_fetching = False


class _File(SeekableFile):
    """Reads of a demuxer. May give less than was asked for, which a demuxer takes for no end."""

    def __init__(self, medium: PartialMedium) -> None:
        super().__init__(medium.size, "medium")
        self._medium = medium

    def _get(self, offset: int, length: int) -> bytes:
        return self._medium.read(offset, length)


def _fetch_nothing(spans: Sequence[Span]) -> list[bytes]:
    raise AssertionError(f"all bytes are here, {spans} were asked for")


def _start(piece: tuple[int, bytes]) -> int:
    return piece[0]


def _stop(piece: tuple[int, bytes]) -> int:
    return piece[0] + len(piece[1])
