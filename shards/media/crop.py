"""Choose the square that a clip cuts out of its frames, and the size to which these are scaled."""

from __future__ import annotations

import math

import numpy as np

from shards.media.clip_config import FrameConfig
from shards.media.facts import MediaFacts

_CROP_AREA, _CROP_ASPECT = (0.2, 1.0), (3 / 4, 4 / 3)
_CROP_TRIES = 10
_MAX_ASPECT = 8
"""A picture longer than this many short sides is squashed to it: a 2x3000 strip must not become 256x384000."""


def place_square(
    facts: MediaFacts, config: FrameConfig, size: int, rng: np.random.Generator
) -> tuple[tuple[int, int], int, int]:
    """Choose (height, width) of the whole resized frame, and top and left of the square in it."""
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
