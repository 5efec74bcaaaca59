"""Clip plans: the numbers that say which frames of a video, which crop, flip and size; made before any decoding.

A plan is a pure function of (media facts, clip config, generator), so every decode backend shows the model the same
clip. Frames are counted in presentation order from 0. A video with fewer frames than the plan asks for repeats
frames, spread evenly and in order (frame floor((i + 0.5) * have / want) for i in 0..want-1); no sample is lost for
being short and none collapses to its first frame, as the released samplers do (facts/mcg_alpro.md 4.2). A picture
repeats its one frame.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from pydantic import Field, model_validator

from shards.frozen import Frozen
from shards.index import DatasetError
from shards.media import MediaError
from shards.sample import MediaFacts

if TYPE_CHECKING:
    from shards.partial import Media

_MAX_ASPECT = 8
"""A picture longer than this many short sides is squashed to it: a 2x3000 strip must not become 256x384000."""


@dataclass(frozen=True, slots=True)
class ClipPlan:
    """Decode `frames`, resize each to `resize`, cut `crop` out of the resized frame, mirror it if `flip`."""

    frames: tuple[int, ...]
    """Frame numbers in the order in which the model sees them; may repeat, may run backwards."""
    resize: tuple[int, int]
    """(height, width) that the whole frame is scaled to, pixels."""
    crop: tuple[int, int, int, int]
    """(top, left, height, width) inside the resized frame, pixels."""
    flip: bool = False

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """Shape of the decoded clip: (frames, height, width, 3), uint8 RGB."""
        return (len(self.frames), self.crop[2], self.crop[3], 3)


@dataclass(frozen=True, slots=True)
class EncodedClip:
    """What a task's encode makes of a sample: bytes still compressed, the plan, and the text as numbers."""

    media: Media
    kind: str
    plan: ClipPlan
    arrays: dict[str, np.ndarray[Any, Any]]
    """One-dimensional integer or float arrays (token ids, masks); padded to one length by collate."""
    meta: dict[str, Any]
    """Carried through untouched: question, answer, type, ids."""


class ClipConfig(Frozen):
    """How clips are cut from media."""

    num_frames: int = Field(ge=1, le=4096)
    """Frames of a clip."""
    size: int = Field(ge=1, le=4096)
    """Height and width of the clip, pixels."""
    sampling: Literal["uniform", "random", "headtail"] = "uniform"
    """"uniform": the middles of equal parts. "random": distinct random frames, in order. "headtail": half the frames at
    random from the first half of the video, half from the second (the first gets the odd one)."""
    fit: Literal["squash", "center_crop", "random_crop"] = "squash"
    """"squash": the whole picture, aspect lost. The crops keep the aspect and cut a square."""
    resize: int | None = Field(default=None, ge=1, le=8192)
    """Short side before cropping, pixels; None means size."""
    flip: float = Field(default=0.0, ge=0, le=1)
    """Probability that a clip is mirrored left to right."""

    @model_validator(mode="after")
    def _check_resize(self) -> ClipConfig:
        if self.resize is not None and self.fit == "squash":
            raise ValueError(
                f"resize is {self.resize}, but fit squash does not crop; leave resize out or choose a crop"
            )
        if self.resize is not None and self.resize < self.size:
            raise ValueError(f"resize {self.resize} is less than size {self.size}: nothing to crop from")
        return self

    def for_evaluation(self) -> ClipConfig:
        """The same without chance: uniform frames, the middle instead of a random crop, no flip."""
        fit = "center_crop" if self.fit == "random_crop" else self.fit
        return self.model_copy(update={"sampling": "uniform", "fit": fit, "flip": 0.0})


def plan_clip(facts: MediaFacts, config: ClipConfig, rng: np.random.Generator) -> ClipPlan:
    """Plan a clip: config.num_frames frame numbers and one crop and flip for all of them.

    The generator is asked for frames, then crop, then flip. Raises MediaError for facts without a frame or a size,
    and DatasetError, which stops a run, for an index that was made without looking at media.
    """
    if facts.num_frames == facts.width == facts.height == 0:
        raise DatasetError(
            "the index holds no media facts, and without them no clip can be planned; index the dataset again with "
            "--media (python -m shards index PATH --media)"
        )
    if facts.num_frames < 1 or facts.width < 1 or facts.height < 1:
        raise MediaError(f"the index says {facts.num_frames} frames of {facts.width}x{facts.height} pixels")
    frames = _choose_frames(facts.num_frames, config, rng)
    size = config.size
    if config.fit == "squash":
        resize, top, left = (size, size), 0, 0
    else:
        resize = _keep_aspect(facts, config.resize or size)
        spare = (resize[0] - size, resize[1] - size)
        if config.fit == "center_crop":
            top, left = spare[0] // 2, spare[1] // 2
        else:
            top, left = int(rng.integers(spare[0] + 1)), int(rng.integers(spare[1] + 1))
    return ClipPlan(frames, resize, (top, left, size, size), bool(rng.random() < config.flip))


def _choose_frames(have: int, config: ClipConfig, rng: np.random.Generator) -> tuple[int, ...]:
    want = config.num_frames
    if config.sampling == "uniform" or have < want:
        return tuple((2 * i + 1) * have // (2 * want) for i in range(want))
    if config.sampling == "random":
        return tuple(np.sort(rng.choice(have, want, replace=False)).tolist())
    middle, head = -(-have // 2), -(-want // 2)  # both halves are large enough, because have >= want
    first = np.sort(rng.choice(middle, head, replace=False))
    second = middle + np.sort(rng.choice(have - middle, want - head, replace=False))
    return (*first.tolist(), *second.tolist())


def _keep_aspect(facts: MediaFacts, short: int) -> tuple[int, int]:
    """(height, width) with this short side."""
    if facts.height <= facts.width:
        return short, min(max(short, round(facts.width * short / facts.height)), short * _MAX_ASPECT)
    return min(max(short, round(facts.height * short / facts.width)), short * _MAX_ASPECT), short
