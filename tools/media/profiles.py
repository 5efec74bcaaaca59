"""Media profiles: what videos and pictures are made into, by name, with fields that the command line can change."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from pydantic import Field, model_validator

from shards.base import ConfigError, Frozen
from shards.cli import flag
from shards.media import MAX_FRAMES
from tools.media.codecs import CODECS
from tools.rows import OptionError

_PICTURE_QUALITY = 90
SIDE_STEP = 16
"""Sides of videos are multiples of it: H.264 and HEVC are coded in blocks, and what is coded beside the picture has to
be cut off again, for which decoders of GPUs need one made for each size."""


class VideoProfile(Frozen):
    """Small videos with a key frame every few frames, whose sides are multiples of 16."""

    short_side: int = Field(default=256, ge=16, le=4096)
    """Pixels of the short side of frames, rounded to a multiple of 16; a smaller video keeps its own, rounded."""
    codec: Literal["h264", "hevc", "av1"] = "h264"
    """NVDEC decodes them, but for AV1 on Turing, A100, H100 and H200."""
    quality: int | None = Field(default=None, ge=0, le=63)
    """Constant rate factor, 0 (best) to 51, AV1 to 63; None: 23 for H.264, 26 for HEVC, 35 for AV1."""
    gop: int = Field(default=8, ge=1, le=600)
    """Frames from one key frame to the next."""
    fps: float | None = Field(default=None, ge=0.01, le=240)
    """At most so many frames per second are kept, the first of each 1/fps seconds; None: all."""
    every: int = Field(default=1, ge=1, le=1000)
    """One of so many frames is kept; 10 gives the tenth of the frame rate that ALPRO advises."""
    picture_quality: int = Field(default=_PICTURE_QUALITY, ge=1, le=100)
    """JPEG quality of pictures in the dataset."""
    encoder_threads: int = Field(default=1, ge=1, le=16)
    """Threads of the encoder of one video. More pay only where fewer videos than cores are worked on at once."""

    @model_validator(mode="after")
    def _check(self) -> VideoProfile:
        if self.fps is not None and self.every != 1:
            raise ValueError(f"fps {self.fps:g} and every {self.every} both say which frames are kept; give one")
        if (self.quality or 0) > CODECS[self.codec].worst:
            raise ValueError(f"quality {self.quality} is beyond {CODECS[self.codec].worst}, the worst of {self.codec}")
        return self

    @property
    def used_quality(self) -> int:
        """The quality, or the default of the codec."""
        return CODECS[self.codec].quality if self.quality is None else self.quality

    def keep(self, times: Sequence[float]) -> list[int]:
        """The numbers of the frames that are kept, of frames at these times (seconds, in order)."""
        if self.fps is None:
            return list(range(0, len(times), self.every))
        # By rounding, a frame of the next slot may lie just before its border.
        slots = np.floor((np.asarray(times) - times[0]) * self.fps + 1e-3)
        return np.flatnonzero(np.diff(slots, prepend=-1) > 0).tolist()


class FramesProfile(Frozen):
    """A few pictures of each video instead of the video."""

    num_frames: int = Field(default=8, ge=1, le=MAX_FRAMES)
    """Pictures of each video; of a shorter one all its frames."""
    short_side: int = Field(default=256, ge=16, le=4096)
    """Pixels of the short side of pictures; a smaller video keeps its own."""
    picture: Literal["jpeg", "webp"] = "jpeg"
    """nvJPEG decodes JPEG; WebP is smaller and decoded on the CPU."""
    quality: int | None = Field(default=None, ge=1, le=100)
    """Quality of the pictures, 100 is best; None: 90 for JPEG, 80 for WebP."""
    picture_quality: int = Field(default=_PICTURE_QUALITY, ge=1, le=100)
    """JPEG quality of pictures in the dataset."""

    @property
    def used_quality(self) -> int:
        """The quality, or the default of the kind of picture."""
        return (_PICTURE_QUALITY if self.picture == "jpeg" else 80) if self.quality is None else self.quality

    def keep(self, times: Sequence[float]) -> list[int]:
        """The frames in the middles of num_frames equal parts, each once: those of a uniform clip plan."""
        have, want = len(times), min(self.num_frames, len(times))
        return [(2 * i + 1) * have // (2 * want) for i in range(want)]


Profile = VideoProfile | FramesProfile
PROFILES: dict[str, Profile] = {
    "h264_256": VideoProfile(),
    "h264_256_tenth": VideoProfile(every=10, gop=4),
    "hevc_256": VideoProfile(codec="hevc"),
    "av1_256": VideoProfile(codec="av1"),
    "frames_8": FramesProfile(num_frames=8),
    "frames_16": FramesProfile(num_frames=16),
}
"""Profiles by name, for the command line."""


def find_profile(name: str, **changes: Any) -> Profile:
    """The profile of this name, with some fields changed (None: not changed). Raises OptionError."""
    if name not in PROFILES:
        raise OptionError(f"no media profile is called {name!r}; known: {', '.join(PROFILES)}")
    profile = PROFILES[name]
    given = {field: value for field, value in changes.items() if value is not None}
    surplus = sorted(given.keys() - type(profile).model_fields.keys())
    if surplus:
        refused, taken = (", ".join(map(flag, fields)) for fields in (surplus, type(profile).model_fields))
        raise OptionError(f"profile {name} takes no {refused}; it takes {taken}")
    try:
        profile = type(profile)(**{**profile.model_dump(), **given})
    except ConfigError as error:
        raise OptionError(f"profile {name}: {str(error).removeprefix(f'{type(profile).__name__}: ')}") from error
    if isinstance(profile, VideoProfile):
        CODECS[profile.codec].check()
    return profile


def describe(name: str, profile: Profile) -> dict[str, Any]:
    """The provenance of transcoded media: with these settings and versions the same input gives the same bytes."""
    import av
    import PIL

    fields = {**profile.model_dump(), "quality": profile.used_quality}
    if isinstance(profile, VideoProfile):
        fields["side_step"] = SIDE_STEP  # so that no run goes on with videos of the other sizes that were made before
    return {"name": name, **fields, "pyav": av.__version__, "pillow": PIL.__version__}


def fit(width: int, height: int, short_side: int, step: int = 1) -> tuple[int, int]:
    """(width, height) scaled to this short side; what is smaller keeps its size. Both sides, and the short side that is
    asked for, become the nearest multiple of `step`, at least one step.

    With a step the picture is stretched a little instead of cut: a side is off by half a step at most, which is 3 % of
    256 pixels, and a tenth of what the random crops of training stretch by. So all of the picture is kept, texts and
    marks at its border too, and places given as shares of it stay right.
    """
    short_side = _nearest(short_side, step)
    scale = min(1.0, short_side / min(width, height))
    return _nearest(width * scale, step), _nearest(height * scale, step)


def _nearest(length: float, step: int) -> int:
    return max(step, round(length / step) * step)
