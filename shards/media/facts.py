"""The facts about a medium that the index holds and clips are planned from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import field
from typing import NamedTuple

from shards.base.frozen_slots import frozen_slots


class KeyFrame(NamedTuple):
    """A frame at which decoding can start."""

    number: int
    """Its number in presentation order."""
    time: float
    """Seconds on the clock of the stream, as start_time of the facts."""
    offset: int
    """Byte of its packet in the file; -1 where the container does not say; TIME_MARK for a frame that is no key frame
    and is listed only for its time."""


TIME_MARK = -2
"""The offset of a time mark in a GOP table (shards/media/videos/time_marks.py)."""


class KeyFrames(NamedTuple):
    """The GOP table of a video: the frames at which decoding can start, by column.

    In a video whose frames last unequally long it also lists time marks, which are no key frames
    (shards/media/videos/time_marks.py).
    """

    frames: list[int]
    """Frame numbers in presentation order."""
    times: list[float]
    """Seconds on the clock of the stream, as start_time of the facts."""
    offsets: list[int]
    """Byte offset of the packet inside the member; -1 where the container does not say; TIME_MARK: see above."""

    def without_marks(self) -> KeyFrames:
        """The same table with key frames only."""
        if TIME_MARK not in self.offsets:
            return self
        kept = [row for row in zip(*self, strict=True) if row[2] != TIME_MARK]
        return KeyFrames(*(list(column) for column in zip(*kept, strict=True))) if kept else KeyFrames([], [], [])

    @classmethod
    def of(cls, found: Sequence[KeyFrame]) -> KeyFrames:
        """The table of what `probe_table` or `probe_key_frames` found."""
        return cls(*([getattr(frame, field) for frame in found] for field in KeyFrame._fields))


@frozen_slots
class MediaFacts:
    """The facts of a medium in the index, from which a clip is planned without opening it.

    duration and start_time are seconds, fps frames per second; a picture has one frame, duration and fps 0.
    """

    kind: str
    """A name in the table of kinds (shards/media/kinds.py): "video", "image", "frames" (pictures of a video, see
    frames.py) or "stored" (frames of an FFCV file, of codec "raw" or "jpeg", see shards/read/beton.py)."""
    codec: str
    width: int
    height: int
    num_frames: int
    fps: float = 0.0
    duration: float = 0.0
    start_time: float = 0.0
    look_up_key_frames: Callable[[], KeyFrames | None] | None = field(default=None, compare=False, repr=False)
    """Reads the GOP table from the index, which costs more than the other facts; None without an index."""

    @property
    def key_frames(self) -> KeyFrames | None:
        """The GOP table, looked up each time; None where the index has none."""
        return None if self.look_up_key_frames is None else self.look_up_key_frames()


FACT_NAMES = ("kind", "codec", "width", "height", "num_frames", "fps", "duration", "start_time")
"""The facts that the index holds in columns of these names."""
