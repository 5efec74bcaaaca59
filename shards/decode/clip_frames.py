"""The frames of a clip while they are decoded: scaled, turned, cropped and put where the plan wants them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from shards.decode.mirror import mirrored
from shards.media.clip_plan import ClipPlan
from shards.media.limits import MAX_VIDEO_PIXELS, check_size
from shards.media.pictures.transparency import has_alpha, over_white
from shards.media.rotation import Orientation
from shards.media.videos.video import orientation

if TYPE_CHECKING:
    from av import VideoFrame


class ClipFrames:
    """The clip in the making: takes frames by their number."""

    def __init__(self, plan: ClipPlan) -> None:
        import av  # noqa: F401  # before its module, or threads that come first at the same time find it half made
        from av.video.reformatter import Interpolation, VideoReformatter

        self._plan = plan
        self._reformatter = VideoReformatter()
        self._interpolation = Interpolation.BICUBIC | Interpolation.ACCURATE_RND | Interpolation.BITEXACT
        self.frames = np.empty(plan.shape, np.uint8)
        self.slots = slots_of(plan.frames)
        """The numbers that are missing -> their places."""
        self.turn: Orientation | None = None

    def take(self, number: int, frame: VideoFrame) -> None:
        if self.turn is None:
            self.turn = orientation(frame)
        if number in self.slots:
            self.frames[self.slots.pop(number)] = self._picture(frame, self.turn)

    def fill(self, frame: VideoFrame) -> None:
        """Let a frame stand for all that are missing."""
        assert self.turn is not None
        picture = self._picture(frame, self.turn)
        for where in self.slots.values():
            self.frames[where] = picture

    def _picture(self, frame: VideoFrame, turn: Orientation) -> NDArray[np.uint8]:
        """Scale and convert in one go, turn, crop."""
        check_size(frame.width, frame.height, MAX_VIDEO_PIXELS)
        height, width = self._plan.resize[::-1] if turn.swaps_sides else self._plan.resize
        if has_alpha(frame):
            return turn_and_crop(over_white(frame, self._reformatter, width, height), self._plan, turn)
        scaled = self._reformatter.reformat(frame, width, height, "rgb24", interpolation=self._interpolation, threads=1)
        return turn_and_crop(scaled.to_ndarray().astype(np.uint8, copy=False), self._plan, turn)


def slots_of(frames: tuple[int, ...]) -> dict[int, list[int]]:
    slots: dict[int, list[int]] = {}
    for where, number in enumerate(frames):
        if number < 0:
            raise ValueError(f"the plan asks for frame {number}")
        slots.setdefault(number, []).append(where)
    if not slots:
        raise ValueError("the plan asks for no frame")
    return slots


def turn_and_crop(picture: NDArray[np.uint8], plan: ClipPlan, turn: Orientation) -> NDArray[np.uint8]:
    """Turn a scaled picture upright, cut the crop, mirror: (h, w, 3), perhaps a view."""
    if turn.mirror:
        picture = picture[:, ::-1]
    picture = np.rot90(picture, turn.quarter_turns)
    top, left, height, width = plan.crop
    picture = picture[top : top + height, left : left + width]
    return mirrored(picture) if plan.flip else picture
