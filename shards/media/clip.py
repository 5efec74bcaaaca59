"""Clip plans: the numbers that say which frames of a video, which crop, flip and size; made before any decoding.

A plan is a pure function of (media facts, clip config, generator), so every decode backend shows the model the same
clip. Frames are counted in presentation order from 0; inside a clip they never run backwards. Samplings count frames;
only "fps" goes by time. Sizes are those of the upright picture, as the facts give them.

Short videos: one with fewer frames than the plan asks for repeats frames, spread evenly and in order (frame
floor((i + 0.5) * have / want) for i in 0..want-1), whatever the sampling; so does, with "fps", one that is shorter than
the window. No sample is lost for being short and none collapses to its first frame, as the released samplers do
(docs/facts/mcg_alpro.md 4.2). A picture repeats its one frame.

Several clips (`num_clips` C): the video is cut into C equal parts (of one frame at least) and each gives a clip of
num_frames by the same rule; with "fps" the C windows are spread over the whole video and overlap if they must. A plan
holds the C * num_frames frames one clip after the other, with one crop, flip and RandAugment for all of them.

Snapping moves each planned frame to the nearest key frame of the GOP table, of two equally near ones to the earlier.
So it is off by at most half the frames of the GOP that holds it, which is half the time where the rate is constant; in
the last GOP, behind which there is no key frame, by at most all of it. A video in which fewer than two key frames are
known stays exact.

Times: the GOP table says when key frames are shown, and of a video with a variable rate also others (time_marks.py), so
that times are right to half of a mean frame. Without a table all frames count as equally long.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from shards.base.errors import DatasetError, MediaError
from shards.media.clip_config import _MAX_ASPECT, ClipConfig, FrameConfig
from shards.media.facts import KeyFrames, MediaFacts
from shards.media.randaugment import Op, draw_ops

if TYPE_CHECKING:
    from shards.media.medium import Media

_BORDER = 0.01
"""Frames: a time so near the border of two frames counts as on it and gives the later, or rounding would make steps
uneven."""
_CROP_AREA, _CROP_ASPECT = (0.2, 1.0), (3 / 4, 4 / 3)
_CROP_TRIES = 10


@dataclass(frozen=True, slots=True)
class ClipPlan:
    """Decode `frames`, resize each to `resize`, cut `crop` out of the resized frame, mirror it if `flip`, do `ops`."""

    frames: tuple[int, ...]
    """Frame numbers in the order in which the model sees them; may repeat, may run backwards."""
    resize: tuple[int, int]
    """(height, width) that the whole frame is scaled to, pixels."""
    crop: tuple[int, int, int, int]
    """(top, left, height, width) inside the resized frame, pixels."""
    flip: bool = False
    ops: tuple[Op, ...] = ()
    """What RandAugment does to all frames, in this order; decoders leave it to shards/decode/augment.py."""

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


def plan_clip(facts: MediaFacts, config: ClipConfig, rng: np.random.Generator) -> ClipPlan:
    """Plan the clips of a medium: frame numbers, and one crop, flip and RandAugment for all of them.

    The generator is asked for frames, then crop, then flip, then RandAugment. Raises MediaError for facts without a
    frame or a size, or without a duration where it is needed, and DatasetError, which stops a run, for an index that
    was made without looking at media, or that has no GOP tables and is to be snapped to.
    """
    if facts.num_frames == facts.width == facts.height == 0:
        raise DatasetError(
            "the index holds no media facts, and without them no clip can be planned; index the dataset again with "
            "--media (python -m shards index PATH --media)"
        )
    if facts.num_frames < 1 or facts.width < 1 or facts.height < 1:
        raise MediaError(f"the index says {facts.num_frames} frames of {facts.width}x{facts.height} pixels")
    frames = _choose_frames(facts, config, rng)
    if config.snap and facts.kind == "video":
        frames = _snap(frames, facts)
    shown: FrameConfig = config
    if facts.kind == "image" and config.pictures is not None:
        shown = config.pictures
    size = config.size
    resize, top, left = _place(facts, shown, size, rng)
    flip = bool(rng.random() < shown.flip)
    ops = draw_ops(shown.randaugment, size, rng) if shown.randaugment is not None else ()
    return ClipPlan(frames, resize, (top, left, size, size), flip, ops)


# ---------------------------------------------------------------- frames


def _choose_frames(facts: MediaFacts, config: ClipConfig, rng: np.random.Generator) -> tuple[int, ...]:
    """The frames of all clips."""
    have, clips = facts.num_frames, config.num_clips
    if config.fps is not None and have > 1:
        return _windows(facts, config, config.fps, rng)
    frames: list[int] = []
    for clip in range(clips):
        first = clip * have // clips
        stop = max(first + 1, (clip + 1) * have // clips)
        frames += (first + frame for frame in _choose(stop - first, config, rng))
    return tuple(frames)


def _choose(have: int, config: ClipConfig, rng: np.random.Generator) -> list[int]:
    """The frames of one clip among this many, by number."""
    want = config.num_frames
    if config.sampling == "released_uniform":
        return [i * (have // want) for i in range(want)]
    if config.sampling in ("uniform", "fps", "fps_middle") or have < want:
        return _spread(have, want)
    if config.sampling == "random":
        return np.sort(rng.choice(have, want, replace=False)).tolist()
    if config.sampling == "segment":
        edges = np.arange(want + 1) * have // want
        return rng.integers(edges[:-1], edges[1:]).tolist()
    middle, head = -(-have // 2), -(-want // 2)  # both halves are large enough, because have >= want
    first = np.sort(rng.choice(middle, head, replace=False))
    second = middle + np.sort(rng.choice(have - middle, want - head, replace=False))
    return [*first.tolist(), *second.tolist()]


def _spread(have: int, want: int) -> list[int]:
    return [(2 * i + 1) * have // (2 * want) for i in range(want)]


def _windows(facts: MediaFacts, config: ClipConfig, fps: float, rng: np.random.Generator) -> tuple[int, ...]:
    """The frames of windows of num_frames / fps seconds: those that are shown in the middles of its equal parts."""
    want, clips = config.num_frames, config.num_clips
    duration = facts.duration if facts.duration > 0 else facts.num_frames / facts.fps if facts.fps > 0 else 0.0
    if not 0 < duration < math.inf:
        raise MediaError(
            f"the index says {facts.num_frames} frames in {facts.duration:g} s; sampling {config.sampling} needs a "
            "duration"
        )
    room = duration - want / fps
    if room <= 0:
        return tuple(_spread(facts.num_frames, want) * clips)
    places = np.full(clips, 0.5) if config.sampling == "fps_middle" else rng.random(clips)
    starts = (np.arange(clips) + places) * (room / clips)
    times = starts[:, None] + (np.arange(want) + 0.5) / fps
    return tuple(_frames_at(times.ravel(), facts, duration).tolist())


def _frames_at(times: NDArray[np.float64], facts: MediaFacts, duration: float) -> NDArray[np.int64]:
    """The frames that are on the screen so many seconds after the first."""
    table = facts.key_frames
    known = zip(table.frames, table.times, strict=True) if table is not None and _is_sound(table, facts) else ()
    inside = [(time - facts.start_time, float(number)) for number, time in known if number > 0]
    inside = [(time, number) for time, number in inside if 0 < time < duration]
    shown, numbers = zip((0.0, 0.0), *inside, (duration, float(facts.num_frames)), strict=True)
    found = np.interp(times, shown, numbers) + _BORDER
    return found.astype(np.int64).clip(0, facts.num_frames - 1)


def _snap(frames: tuple[int, ...], facts: MediaFacts) -> tuple[int, ...]:
    """The nearest key frames."""
    table = facts.key_frames
    if table is None:
        raise DatasetError(
            "snap needs to know where the key frames are, but the index has no GOP tables; index the dataset again "
            "with --media (python -m shards index PATH --media), build it again, or set snap: false"
        )
    keys = np.array(table.without_marks().frames)
    if len(keys) < 2 or not _is_sound(table, facts):
        return frames
    wanted = np.array(frames)
    behind = np.searchsorted(keys, wanted).clip(1, len(keys) - 1)
    before, after = keys[behind - 1], keys[behind]
    return tuple(np.where(wanted - before <= after - wanted, before, after).tolist())


def _is_sound(table: KeyFrames, facts: MediaFacts) -> bool:
    """Whether numbers and times make sense."""
    frames, times = table.frames, table.times
    rising = len(frames) == len(times) > 0 and all(a < b for a, b in (*pairwise(frames), *pairwise(times)))
    return rising and 0 <= frames[0] <= frames[-1] < facts.num_frames and all(map(math.isfinite, times))


# ---------------------------------------------------------------- pixels


def _place(
    facts: MediaFacts, config: FrameConfig, size: int, rng: np.random.Generator
) -> tuple[tuple[int, int], int, int]:
    """(height, width) of the whole resized frame; top and left of the square in it."""
    if config.fit == "squash":
        return (size, size), 0, 0
    if config.fit == "random_resized_crop":
        resize = _box(facts, config, size, rng)
    elif config.fit.startswith("squash"):
        resize = (config.resize or size,) * 2
    else:
        resize = _keep_aspect(facts, config.resize or size)
    spare = (resize[0] - size, resize[1] - size)
    if config.fit.endswith("center_crop"):
        return resize, spare[0] // 2, spare[1] // 2
    return resize, int(rng.integers(spare[0] + 1)), int(rng.integers(spare[1] + 1))


def _keep_aspect(facts: MediaFacts, short: int) -> tuple[int, int]:
    """(height, width) with this short side."""
    if facts.height <= facts.width:
        return short, min(max(short, round(facts.width * short / facts.height)), short * _MAX_ASPECT)
    return min(max(short, round(facts.height * short / facts.width)), short * _MAX_ASPECT), short


def _box(facts: MediaFacts, config: FrameConfig, size: int, rng: np.random.Generator) -> tuple[int, int]:
    """(height, width) of the whole frame when a random box of it is scaled to the square.

    Area and logarithm of the aspect are drawn evenly until the box fits, at most ten times (as torchvision does); then
    the largest box with an allowed aspect is taken.
    """
    area, aspect = config.crop_area or _CROP_AREA, config.crop_aspect or _CROP_ASPECT
    height = float(min(facts.height, _MAX_ASPECT * facts.width))
    width = float(min(facts.width, _MAX_ASPECT * facts.height))
    logs = math.log(aspect[0]), math.log(aspect[1])
    for _ in range(_CROP_TRIES):
        pixels = height * width * rng.uniform(*area)
        ratio = math.exp(rng.uniform(*logs))
        tall, wide = math.sqrt(pixels / ratio), math.sqrt(pixels * ratio)
        if tall <= height and wide <= width:
            break
    else:
        ratio = min(max(width / height, aspect[0]), aspect[1])
        tall, wide = min(height, width / ratio), min(width, height * ratio)
    return max(size, round(size * height / tall)), max(size, round(size * width / wide))
