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

if TYPE_CHECKING:
    from av import VideoFrame


class ClipFrames:
    """A clip under way: takes decoded frames by their number."""

    def __init__(self, plan: ClipPlan) -> None:
        import av  # noqa: F401  # before its submodule: two threads that import them at the same time can fail otherwise
        from av.video.reformatter import Interpolation, VideoReformatter

        self._plan = plan
        self._reformatter = VideoReformatter()
        self._interpolation = Interpolation.BICUBIC | Interpolation.ACCURATE_RND | Interpolation.BITEXACT
        self.frames = np.empty(plan.shape, np.uint8)
        self.slots = plan.slots()
        """Slots of the frames that have not come yet, by number."""
        self.turn: Orientation | None = None

    def take(self, number: int, frame: VideoFrame) -> None:
        """Put a frame into its slots, if the plan wants it. The first one says how all are turned."""
        if self.turn is None:
            self.turn = Orientation.of(frame)
        if number in self.slots:
            self.frames[self.slots.pop(number)] = self._picture(frame, self.turn)

    def fill(self, frame: VideoFrame) -> None:
        """Put a frame into all slots that are still empty."""
        assert self.turn is not None
        picture = self._picture(frame, self.turn)
        for where in self.slots.values():
            self.frames[where] = picture

    def _picture(self, frame: VideoFrame, turn: Orientation) -> NDArray[np.uint8]:
        """Scale a frame and convert it to RGB in one step, turn and crop it."""
        check_size(frame.width, frame.height, MAX_VIDEO_PIXELS)
        height, width = self._plan.resize[::-1] if turn.swaps_sides else self._plan.resize
        if has_alpha(frame):
            return turn_and_crop(over_white(frame, self._reformatter, width, height), self._plan, turn)
        scaled = self._reformatter.reformat(frame, width, height, "rgb24", interpolation=self._interpolation, threads=1)
        return turn_and_crop(scaled.to_ndarray().astype(np.uint8, copy=False), self._plan, turn)


def turn_and_crop(picture: NDArray[np.uint8], plan: ClipPlan, turn: Orientation) -> NDArray[np.uint8]:
    """Turn a scaled picture upright, cut the crop, mirror: (h, w, 3), perhaps a view."""
    if turn.mirror:
        picture = picture[:, ::-1]
    if turn.quarter_turns:
        picture = np.rot90(picture, turn.quarter_turns)
    top, left, height, width = plan.crop
    picture = picture[top : top + height, left : left + width]
    return mirrored(picture) if plan.flip else picture
