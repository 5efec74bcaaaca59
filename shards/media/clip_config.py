"""Settings of a clip: how many frames, which, of what size, with which augmentation."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, model_validator

from shards.base.frozen import Frozen
from shards.media.randaugment import RandAugment

_MAX_FRAMES = 4096
_EACH = ("random_crop", "squash_random_crop")
"""Fits that can cut each frame by itself."""


class FrameConfig(Frozen):
    """Settings of what is done alike to all frames of a clip."""

    fit: Literal[
        "squash", "center_crop", "random_crop", "squash_center_crop", "squash_random_crop", "random_resized_crop"
    ] = "squash"
    """"squash": the whole picture, aspect lost. "center_crop" and "random_crop" keep the aspect and cut a square; with
    "squash_" they cut it from a square picture, aspect lost. "random_resized_crop": a random box of the picture
    (crop_area, crop_aspect) becomes the square; in evaluation it is center_crop. The other random crops are their
    center crops then."""
    resize: int | None = Field(default=None, ge=1, le=8192)
    """Short side before the center and random crops, pixels; None means size."""
    crop_area: tuple[float, float] | None = None
    """Smallest and largest share of the picture that random_resized_crop cuts; None means 0.2 to 1."""
    crop_aspect: tuple[float, float] | None = None
    """Smallest and largest width / height of that box; None means 3/4 to 4/3."""
    crop_each: bool = False
    """A random crop of each frame by itself, in place of one for the clip: LAVENDER's release cuts so. Decoded on the
    CPU."""
    flip: float = Field(default=0.0, ge=0, le=1)
    """Probability that a clip is mirrored left to right."""
    randaugment: RandAugment | None = None
    """Random operations on the pixels, in training; None: none."""

    @model_validator(mode="after")
    def _check_fit(self) -> FrameConfig:
        if self.resize is not None and self.fit == "squash":
            raise ValueError(
                f"resize is {self.resize}, but fit squash does not crop; leave resize out or choose a crop"
            )
        if self.resize is not None and self.fit == "random_resized_crop":
            raise ValueError(f"resize is {self.resize}, but fit random_resized_crop scales its box; leave resize out")
        if self.crop_each and self.fit not in _EACH:
            raise ValueError(f"crop_each is for fit {' and '.join(_EACH)}, but fit is {self.fit}; leave it out")
        for name, low, high, limits in (
            ("crop_area", 0.02, 1.0, self.crop_area),
            ("crop_aspect", 0.1, 10.0, self.crop_aspect),
        ):
            if limits is not None and self.fit != "random_resized_crop":
                raise ValueError(f"{name} is for fit random_resized_crop, but fit is {self.fit}; leave it out")
            if limits is not None and not low <= limits[0] <= limits[1] <= high:
                raise ValueError(f"{name} must be [smallest, largest] between {low:g} and {high:g}, found {limits}")
        return self

    def _without_chance(self) -> dict[str, Any]:
        fit = {
            "random_crop": "center_crop",
            "random_resized_crop": "center_crop",
            "squash_random_crop": "squash_center_crop",
        }.get(self.fit, self.fit)
        return {
            "fit": fit,
            "crop_each": False,
            "flip": 0.0,
            "crop_area": None,
            "crop_aspect": None,
            "randaugment": None,
        }


class ClipConfig(FrameConfig):
    """Settings of how clips are cut from media."""

    num_frames: int = Field(ge=1, le=_MAX_FRAMES)
    """Frames of a clip."""
    size: int = Field(ge=1, le=4096)
    """Height and width of the clip, pixels."""
    sampling: Literal["uniform", "random", "headtail", "segment", "fps", "fps_middle", "released_uniform"] = "uniform"
    """"uniform": the middles of equal parts. "random": distinct random frames, in order. "headtail": half the frames at
    random from the first half of the video, half from the second (the first gets the odd one). "segment": a random
    frame of each of num_frames equal parts. "fps": frames `fps` to a second, from a random place on; "fps_middle": the
    same from the middle of the video, for evaluation. "released_uniform": what the releases of ALPRO and MCG evaluate
    with: steps cut to whole frames, so that the end of a video is left out, and a short one gives its first frame."""
    fps: float | None = Field(default=None, gt=0, le=1000)
    """Frames per second of samplings fps and fps_middle; a video with fewer repeats frames."""
    num_clips: int = Field(default=1, ge=1, le=256)
    """Clips of a video; the clip's array has num_clips * num_frames frames."""
    snap: bool = False
    """Take the nearest key frames instead: decoding is cheaper by far, times are off by up to half of a GOP (see
    clip.py). Needs GOP tables in the index."""
    jpeg_margin: Literal[1, 2] = 2
    """JPEG pictures are decoded at 1/2, 1/4 or 1/8 of their size where that leaves at least this many times the size
    that they are scaled to. 1 takes about half the time for pictures of 3 to 6 times that size, and gives up some
    sharpness (docs/decoding.md); CPU decoder only."""
    pictures: FrameConfig | None = None
    """Settings for pictures, in place of fit, resize, crop_area, crop_aspect, flip and randaugment of this config;
    None: the same as to videos."""

    @model_validator(mode="after")
    def _check_clip(self) -> ClipConfig:
        by_time = self.sampling in ("fps", "fps_middle")
        if by_time and self.fps is None:
            raise ValueError(f"sampling {self.sampling} needs fps, the frames per second of a clip")
        if not by_time and self.fps is not None:
            raise ValueError(
                f"fps is {self.fps:g}, but sampling {self.sampling} does not go by time; leave fps out or set sampling "
                "to fps"
            )
        if self.num_frames * self.num_clips > _MAX_FRAMES:
            raise ValueError(
                f"num_clips {self.num_clips} times num_frames {self.num_frames} is more than {_MAX_FRAMES} frames"
            )
        for name, shown in (("resize", self), ("pictures.resize", self.pictures)):
            if shown is not None and shown.resize is not None and shown.resize < self.size:
                raise ValueError(f"{name} {shown.resize} is less than size {self.size}: nothing to crop from")
        return self

    def for_evaluation(self) -> ClipConfig:
        """The same settings without chance: uniform frames or the fps window in the middle, the middle instead of a
        random crop or box, no flip, no RandAugment."""
        sampling = {"fps": "fps_middle"}.get(self.sampling, self.sampling)
        if sampling not in ("fps_middle", "released_uniform"):
            sampling = "uniform"
        pictures = self.pictures and self.pictures.model_copy(update=self.pictures._without_chance())
        return self.model_copy(update={"sampling": sampling, "pictures": pictures, **self._without_chance()})
