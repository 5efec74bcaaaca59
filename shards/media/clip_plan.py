"""The plan of a clip: numbers that say which frames, which crop, flip and size; and how each kind of medium is planned.

The generator is asked for frames, then crop, then flip, then RandAugment, then corners, so that a setting of a later
one leaves what was drawn before it unchanged.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from shards.base.errors import MediaError
from shards.base.frozen_slots import frozen_slots
from shards.media.clip_config import ClipConfig, FrameConfig
from shards.media.crop import place_square
from shards.media.facts import MediaFacts
from shards.media.frame_choice import choose_frames, snap_to_key_frames
from shards.media.randaugment import Op


@frozen_slots
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
    """Operations of RandAugment on all frames, in this order; shards/decode/augment.py applies them."""
    jpeg_margin: int = 2
    """As in the clip's config."""
    corners: tuple[tuple[int, int], ...] = ()
    """(top, left) of the crop of each frame, in place of that of all; decoders cut what is `uncut`."""

    def uncut(self) -> ClipPlan:
        """The plan of the whole resized frames, without flip and operations."""
        return replace(self, crop=(0, 0, *self.resize), flip=False, ops=(), corners=())

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """Shape of the decoded clip: (frames, height, width, 3), uint8 RGB."""
        return (len(self.frames), self.crop[2], self.crop[3], 3)

    def slots(self) -> dict[int, list[int]]:
        """The positions in the clip of each frame, by its number. Raises ValueError for a plan that makes no sense."""
        slots: dict[int, list[int]] = {}
        for where, number in enumerate(self.frames):
            if number < 0:
                raise ValueError(f"the plan asks for frame {number}")
            slots.setdefault(number, []).append(where)
        if not slots:
            raise ValueError("the plan asks for no frame")
        return slots


def plan_video(facts: MediaFacts, config: ClipConfig, rng: np.random.Generator) -> ClipPlan:
    """Plan a clip of a video, which may be snapped to key frames. Raises MediaError, DatasetError."""
    frames = _frames(facts, config, rng)
    return _shown(snap_to_key_frames(frames, facts) if config.snap else frames, facts, config, config, rng)


def plan_frames(facts: MediaFacts, config: ClipConfig, rng: np.random.Generator) -> ClipPlan:
    """Plan a clip of frames that are stored one by one. Raises MediaError."""
    return _shown(_frames(facts, config, rng), facts, config, config, rng)


def plan_picture(facts: MediaFacts, config: ClipConfig, rng: np.random.Generator) -> ClipPlan:
    """Plan a clip that repeats a picture. Raises MediaError."""
    return _shown(_frames(facts, config, rng), facts, config.pictures or config, config, rng)


def _frames(facts: MediaFacts, config: ClipConfig, rng: np.random.Generator) -> tuple[int, ...]:
    if facts.num_frames < 1 or facts.width < 1 or facts.height < 1:
        raise MediaError(f"the index says {facts.num_frames} frames of {facts.width}x{facts.height} pixels")
    return choose_frames(facts, config, rng)


def _shown(
    frames: tuple[int, ...], facts: MediaFacts, shown: FrameConfig, config: ClipConfig, rng: np.random.Generator
) -> ClipPlan:
    """Complete a plan with crop, flip and RandAugment, the same for all frames but for the corners of crop_each."""
    size = config.size
    resize, top, left = place_square(facts, shown, size, rng)
    flip = bool(rng.random() < shown.flip)
    ops = shown.randaugment.draw(size, rng) if shown.randaugment is not None else ()
    corners: tuple[tuple[int, int], ...] = ()
    if shown.crop_each:
        drawn = rng.integers((resize[0] - size + 1, resize[1] - size + 1), size=(len(frames), 2))
        corners = tuple((int(above), int(beside)) for above, beside in drawn)
    return ClipPlan(frames, resize, (top, left, size, size), flip, ops, config.jpeg_margin, corners)
