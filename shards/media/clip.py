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

from typing import TYPE_CHECKING, Any

import numpy as np

from shards.base.errors import MediaError, MissingFacts
from shards.base.frozen_slots import frozen_slots
from shards.media.clip_config import ClipConfig
from shards.media.clip_plan import ClipPlan
from shards.media.facts import MediaFacts
from shards.media.kinds import KINDS

if TYPE_CHECKING:
    from shards.media.medium import Media


@frozen_slots
class EncodedClip:
    """A sample after a task's encode: bytes still compressed, the plan, and the text as numbers."""

    media: Media
    kind: str
    plan: ClipPlan
    arrays: dict[str, np.ndarray[Any, Any]]
    """One-dimensional integer or float arrays (token ids, masks); padded to one length by collate."""
    meta: dict[str, Any]
    """Carried through untouched: question, answer, type, ids."""


def plan_clip(facts: MediaFacts, config: ClipConfig, rng: np.random.Generator) -> ClipPlan:
    """Plan the clips of a medium: frame numbers, and one crop, flip and RandAugment for all of them.

    Raises MediaError for facts without a frame or a size, or without a duration where it is needed, and DatasetError,
    which stops a run, for an index that was made without looking at media (MissingFacts), or that has no GOP tables and
    is to be snapped to.
    """
    if facts.num_frames == facts.width == facts.height == 0:
        raise MissingFacts
    if facts.kind not in KINDS:
        raise MediaError(f"the index says kind {facts.kind!r}; known: {', '.join(KINDS)}")
    return KINDS[facts.kind].plan(facts, config, rng)
