"""Controls of an evaluation: the same questions on clips that have lost something, to see what the answers rest on.

black: no picture at all. shuffled: the frames of each clip in random order (another order than the true one).
reversed: the frames backwards.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from shards import Origin
from shards.rng import rng

CONTROLS = ("none", "black", "shuffled", "reversed")
Frames = npt.NDArray[np.uint8]


def apply_control(frames_BTHWC: Frames, origins: Sequence[Origin], control: str, seed: int) -> Frames:
    """The clips under a control, same shape. A clip's shuffle depends on (seed, origin) alone. Raises ValueError."""
    if control == "none":
        return frames_BTHWC
    if control == "black":
        return np.zeros_like(frames_BTHWC)
    if control == "reversed":
        return np.ascontiguousarray(frames_BTHWC[:, ::-1])
    if control == "shuffled":
        orders = [_shuffle(frames_BTHWC.shape[1], origin, seed) for origin in origins]
        return np.stack([clip[order] for clip, order in zip(frames_BTHWC, orders, strict=True)])
    raise ValueError(f"control {control!r} is unknown; choose one of {', '.join(CONTROLS)}")


def _shuffle(num_frames: int, origin: Origin, seed: int) -> npt.NDArray[np.int64]:
    """A random order other than the true one, where there is one."""
    generator = rng(seed, origin.dataset, 0, origin.shard, origin.key, 0, 0, "control")
    order = generator.permutation(num_frames)
    while num_frames > 1 and (order == np.arange(num_frames)).all():
        order = generator.permutation(num_frames)
    return order
