"""Controls of an evaluation: the same questions on altered clips, to see what the answers depend on.

black: all pixels are 0. shuffled: the frames of each clip in random order (another order than the true one).
reversed: the frames backwards.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from shards import Origin
from shards.decode import Frames
from shards.order import rng

CONTROLS = ("none", "black", "shuffled", "reversed")


def apply_control(frames_BTHWC: Frames, origins: Sequence[Origin], control: str, seed: int) -> Frames:
    """The clips under a control, same shape, on the same device. A clip's shuffle depends on (seed, origin) alone.

    Raises ValueError.
    """
    if control == "none":
        return frames_BTHWC
    if control == "black":
        return frames_BTHWC * 0
    num_clips, num_frames = frames_BTHWC.shape[:2]
    if control == "reversed":
        return _choose(frames_BTHWC, np.tile(np.arange(num_frames)[::-1], (num_clips, 1)))
    if control == "shuffled":
        return _choose(frames_BTHWC, np.stack([_shuffle(num_frames, origin, seed) for origin in origins]))
    raise ValueError(f"control {control!r} is unknown; choose one of {', '.join(CONTROLS)}")


def _choose(frames_BTHWC: Frames, order_BT: npt.NDArray[np.int64]) -> Frames:
    """The frames of each clip in an order of its own."""
    clips = np.arange(len(order_BT))[:, None]
    if isinstance(frames_BTHWC, np.ndarray):
        return frames_BTHWC[clips, order_BT]
    import torch

    device = frames_BTHWC.device
    return frames_BTHWC[torch.from_numpy(clips).to(device), torch.from_numpy(order_BT).to(device)]


def _shuffle(num_frames: int, origin: Origin, seed: int) -> npt.NDArray[np.int64]:
    """A random order other than the true one, where there is one."""
    generator = rng(seed, origin.dataset, 0, origin.shard, origin.key, 0, 0, "control")
    order = generator.permutation(num_frames)
    while num_frames > 1 and (order == np.arange(num_frames)).all():
        order = generator.permutation(num_frames)
    return order
