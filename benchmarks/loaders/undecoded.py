"""The one way in which the benchmarks keep our Loader from decoding: a decoder that gives black frames."""

from __future__ import annotations

from functools import cache

import numpy as np

from shards.decode.backends import BACKENDS
from shards.decode.decoder import Backend
from shards.media.clip_plan import ClipPlan

PIXEL = ClipPlan((0,), (1, 1), (0, 0, 1, 1))
"""The plan of a clip of one pixel, for samples of which only the bytes are wanted."""


def undecoded() -> None:
    """Let loaders of this process decode nothing; media reach the task's `encode` as always."""
    black = cache(lambda shape: np.zeros(shape, np.uint8))
    free = Backend("free", lambda media, kind, plan: black(plan.shape))
    BACKENDS.update(dict.fromkeys(BACKENDS, lambda count, settings: free))
