"""Choose the frames of a clip: by number, by time, or at key frames. clip.py says by which rules."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from shards.base.errors import DatasetError, MediaError
from shards.media.clip_config import ClipConfig
from shards.media.facts import KeyFrames, MediaFacts

_BORDER = 0.01
"""Frames: a time so near the border of two frames counts as on it and gives the later, or rounding would make steps
uneven."""


def choose_frames(facts: MediaFacts, config: ClipConfig, rng: np.random.Generator) -> tuple[int, ...]:
    """Choose the frames of all clips of a medium, by number. Raises MediaError."""
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
    """Choose the frames of one clip among this many, by number."""
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
    """The middles of equal parts of the frames."""
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
    """The frames that are shown at these times, seconds after the first."""
    table = facts.key_frames
    known = zip(table.frames, table.times, strict=True) if table is not None and _is_sound(table, facts) else ()
    inside = [(time - facts.start_time, float(number)) for number, time in known if number > 0]
    inside = [(time, number) for time, number in inside if 0 < time < duration]
    shown, numbers = zip((0.0, 0.0), *inside, (duration, float(facts.num_frames)), strict=True)
    found = np.interp(times, shown, numbers) + _BORDER
    return found.astype(np.int64).clip(0, facts.num_frames - 1)


def snap_to_key_frames(frames: tuple[int, ...], facts: MediaFacts) -> tuple[int, ...]:
    """Replace each frame by the nearest key frame of the GOP table. Raises DatasetError for an index without tables."""
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
    """True if numbers and times of a GOP table make sense."""
    frames, times = table.frames, table.times
    rising = len(frames) == len(times) > 0 and all(a < b for a, b in (*pairwise(frames), *pairwise(times)))
    return rising and 0 <= frames[0] <= frames[-1] < facts.num_frames and all(map(math.isfinite, times))
