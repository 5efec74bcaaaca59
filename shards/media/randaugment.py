"""RandAugment: draw the operations on the pixels of a clip and their strengths, as numbers in a clip plan.

Cubuk et al. 2020, with the two spaces of MCG and ALPRO (docs/facts/mcg_alpro.md 4.5): for video `num_ops` different
operations, always applied; for images drawn with replacement, each applied with probability 0.5. What is drawn is the
same for all frames of a clip. shards/decode/augment.py executes it.
The releases have two bugs, corrected here unless `released`: an enhancement of level 5 has factor 1, so it does
nothing, and shears, shifts and rotations always go the same way. Here the level is the distance from doing nothing, and
the direction is drawn.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np
from pydantic import Field

from shards.base.frozen import Frozen

OpName = Literal[
    "brightness", "contrast", "sharpness", "shear_x", "shear_y", "translate_x", "translate_y", "rotate", "flip"
]


class Op(NamedTuple):
    """One operation on all frames of a clip, which changes some pixel."""

    name: OpName
    strength: float
    """brightness, contrast, sharpness: factor, 1 would change nothing. shear: pixels sideways for every pixel down
    (shear_x), or down for every pixel to the right (shear_y), the upper left corner stays. translate: pixels to the
    right or down, whole numbers. rotate: degrees anticlockwise about the middle. flip: 1, left to right."""


class RandAugment(Frozen):
    """Random operations on the pixels of training clips."""

    num_ops: int = Field(default=2, ge=1, le=10)
    """Operations drawn for a clip. One of the space is doing nothing."""
    level: float = Field(default=5, gt=0, le=10)
    """Strength, at most 10: factors 1 +- 0.9, shears 0.3, shifts 10/224 of the clip's side, turns 30 degrees."""
    space: Literal["video", "image"] = "video"
    """"video": ten operations, drawn without repetition, always applied. "image": eight (no contrast, no flip), drawn
    with repetition, each applied with probability 0.5."""
    released: bool = False
    """Strengths and directions of the releases of ALPRO and MCG: factors of 0.1 + 0.18 level (at level 5 nothing
    changes), shifts of `level` pixels whatever the size, and only one direction."""

    def draw(self, size: int, rng: np.random.Generator) -> tuple[Op, ...]:
        """Draw the operations for a clip whose frames have this side, pixels; what would change nothing is left out."""
        space = _SPACES[self.space]
        if self.space == "video":
            names = [space[i] for i in rng.permutation(len(space))[: self.num_ops]]
        else:
            drawn = rng.integers(len(space), size=self.num_ops)
            applied = rng.random(self.num_ops) < _IMAGE_PROBABILITY
            names = [space[i] for i in drawn[applied]]
        backwards = rng.random(len(names)) < 0.5
        return tuple(
            op
            for name, sign in zip(names, np.where(backwards, -1, 1).tolist(), strict=True)
            if name != _IDENTITY and not _does_nothing(op := _op(name, sign, self, size))
        )


_IDENTITY = "identity"
_SPACES: dict[str, tuple[str, ...]] = {
    "video": (
        *(_IDENTITY, "contrast", "brightness", "sharpness", "shear_x", "shear_y"),
        *("translate_x", "translate_y", "rotate", "flip"),
    ),
    "image": (
        *(_IDENTITY, "brightness", "sharpness", "shear_x", "shear_y"),
        *("translate_x", "translate_y", "rotate"),
    ),
}
_IMAGE_PROBABILITY = 0.5


def _op(name: str, sign: int, config: RandAugment, size: int) -> Op:
    part = config.level / 10
    match name:
        case "flip":
            return Op("flip", 1.0)
        case "brightness" | "contrast" | "sharpness":
            return Op(name, 0.1 + 1.8 * part if config.released else 1 + sign * 0.9 * part)
        case "shear_x" | "shear_y":
            return Op(name, 0.3 * part * (1 if config.released else sign))
        case "translate_x" | "translate_y":
            # the releases go to the left and up
            return Op(name, float(round(-config.level if config.released else sign * part * 10 / 224 * size)))
        case "rotate":
            return Op(name, 30 * part * (1 if config.released else sign))
    raise AssertionError(name)


def _does_nothing(op: Op) -> bool:
    return op.strength == (1 if op.name in ("brightness", "contrast", "sharpness") else 0)
