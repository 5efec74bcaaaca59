"""A picture for tests, and its pixels after a round trip."""

from __future__ import annotations

import numpy as np

from tests.shards.pictures import scene, shown

END = b"\xff\xd9"
PICTURE = scene(64, 96)
NOISY = np.random.default_rng(0).integers(0, 256, (64, 96, 3), np.uint8)


def pixels(data: bytes) -> np.ndarray:
    return shown(data, 64, 96)
