"""Whether a medium decodes: some of its frames, spread evenly, or all of them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from shards.media import ClipConfig, MediaFacts, plan_clip

CHECKS = ("some", "all")
"""some: 4 frames spread evenly, as `shards verify --decode`; all: every frame."""
_SIZE = 64
"""Pixels to which frames are scaled; they are decoded whole."""
_AT_ONCE = 1024
"""Frames that memory holds at once."""


def check_decodes(data: bytes, facts: MediaFacts, which: str) -> None:
    """Decode frames of a medium. which: one of CHECKS. Raises MediaError where one does not decode."""
    from shards.decode import decode

    plan = plan_clip(facts, ClipConfig(num_frames=4, size=_SIZE), np.random.default_rng(0))
    if facts.kind == "image":
        decode(data, facts.kind, replace(plan, frames=(0,)))
    elif which == "some":
        decode(data, facts.kind, plan)
    else:
        for first in range(0, facts.num_frames, _AT_ONCE):
            frames = tuple(range(first, min(first + _AT_ONCE, facts.num_frames)))
            decode(data, facts.kind, replace(plan, frames=frames))
