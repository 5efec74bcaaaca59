"""Look: what is kept of a medium to compare it with others: hashes of some frames, and small pictures of more.

The frames of a video are those at eighths of its duration, by time, so that one that was slowed down or that has
another frame rate shows the same. Pictures have one frame.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from shards.base import MediaError
from shards.decode import decode
from shards.media import ClipConfig, ClipPlan, Media, MediaFacts, plan_clip
from tools.duplicates.boxes import WHOLE, cut
from tools.duplicates.hashing import FRAME_HASHES, WORDS, frame_hashes

FRAMES = 7
"""Frames of a video."""
HASHED = (1, 3, 5)
"""Frames of a video, of the seven, that are hashed."""
THUMB = 32
"""Height and width of the gray pictures."""
COLOUR = 8
"""Height and width of their colours."""
_SIZE = 128
_YCBCR = np.array([[0.299, 0.587, 0.114], [-0.1687, -0.3313, 0.5], [0.5, -0.4187, -0.0813]], np.float32)
_MAX_FPS = 1000.0


@dataclass(frozen=True, slots=True)
class Thumbs:
    """Small pictures of the frames of a medium: 7 of a video, 1 of a picture."""

    FRAME_BYTES: ClassVar[int] = THUMB**2 + 2 * COLOUR**2

    gray: NDArray[np.uint8]
    """(F, 32, 32)"""
    colour: NDArray[np.uint8]
    """(F, 2, 8, 8): Cb and Cr, 128 being none."""

    def packed(self) -> bytes:
        """All of it as bytes."""
        flat = [part.reshape(len(self.gray), -1) for part in (self.gray, self.colour)]
        return np.concatenate(flat, axis=1).tobytes()

    @staticmethod
    def unpacked(data: bytes) -> Thumbs:
        """The same from bytes. Raises ValueError."""
        rows = np.frombuffer(data, np.uint8).reshape(-1, Thumbs.FRAME_BYTES)
        gray, colour = rows[:, : THUMB**2], rows[:, THUMB**2 :]
        return Thumbs(gray.reshape(-1, THUMB, THUMB), colour.reshape(-1, 2, COLOUR, COLOUR))


class Look(NamedTuple):
    """What is kept of a medium."""

    hashes: NDArray[np.uint64]
    """(H, FRAME_HASHES, 4) of the hashed frames that are not flat."""
    thumbs: Thumbs

    def packed(self) -> tuple[bytes, bytes]:
        """Hashes and thumbs as bytes."""
        return self.hashes.astype("<u8").tobytes(), self.thumbs.packed()


def shown_plan(facts: MediaFacts, size: int) -> ClipPlan:
    """The plan of the frames that are compared, squashed to squares. Raises MediaError, DatasetError."""
    fps = (FRAMES + 1) / facts.duration if facts.duration > 0 else 0.0
    # The middle window of 7/8 of the duration, cut into 7: its frames are at 1/8, 2/8, ... of the video.
    by_time: dict[str, object] = {"sampling": "fps_middle", "fps": fps} if 0 < fps <= _MAX_FPS else {}
    num_frames = 1 if facts.kind == "image" or facts.num_frames == 1 else FRAMES
    config = ClipConfig.model_validate({"num_frames": num_frames, "size": size, **(by_time if num_frames > 1 else {})})
    return plan_clip(facts, config, np.random.default_rng(0))  # no chance is in it


def look_at(media: Media, facts: MediaFacts) -> Look:
    """Decode the frames of a medium, and hash them. Raises MediaError, SourceError, DatasetError."""
    plan = shown_plan(facts, _SIZE)
    planes = [np.moveaxis(frame.astype(np.float32) @ _YCBCR.T, 2, 0) for frame in _decoded(media, facts, plan)]
    chosen = planes if len(planes) == 1 else [planes[number] for number in HASHED]
    hashes = [found for gray, *_ in chosen if (found := frame_hashes(gray)) is not None]
    gray = np.stack([cut(gray, WHOLE, THUMB) for gray, *_ in planes])
    colour = np.stack([[cut(plane, WHOLE, COLOUR) + 128 for plane in colours] for _, *colours in planes])
    none = np.zeros((0, FRAME_HASHES, WORDS), np.uint64)
    return Look(np.stack(hashes) if hashes else none, Thumbs(_rounded(gray), _rounded(colour)))


def _decoded(media: Media, facts: MediaFacts, plan: ClipPlan) -> NDArray[np.uint8]:
    if facts.kind not in ("video", "image", "frames"):
        raise MediaError(f"a medium of kind {facts.kind!r} has no frames to look at")
    return decode(media, facts.kind, plan)


def _rounded(values: NDArray[np.float32]) -> NDArray[np.uint8]:
    return np.rint(values).clip(0, 255).astype(np.uint8)
