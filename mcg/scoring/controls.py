"""Controls of an evaluation: the same questions on altered clips, to see what the answers depend on.

black: all pixels are 0. shuffled: the frames of each clip in random order (another order than the true one).
reversed: the frames backwards. swapped: the frames of another clip; unlike black frames it leaves the clips different
from each other.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from shards import Batch, Origin
from shards.decode import Frames
from shards.order import rng

CONTROLS = ("none", "black", "shuffled", "reversed", "swapped")


class Control:
    """A control over the batches of one evaluation, in their order."""

    def __init__(self, name: str, seed: int) -> None:
        """Raises ValueError for a name that is none of CONTROLS."""
        if name not in CONTROLS:
            raise ValueError(f"control {name!r} is unknown; choose one of {', '.join(CONTROLS)}")
        self._name, self._seed = name, seed
        self._last: tuple[Origin, Frames] | None = None

    def frames(self, batch: Batch) -> Frames:
        """The clips of a batch under the control, same shape, on the same device. A clip's shuffle depends on
        (seed, origin) alone. Raises ValueError where no other clip can be shown."""
        frames_BTHWC = batch.frames
        num_clips, num_frames = frames_BTHWC.shape[:2]
        if self._name == "black":
            return frames_BTHWC * 0
        if self._name == "reversed":
            return _choose(frames_BTHWC, np.tile(np.arange(num_frames)[::-1], (num_clips, 1)))
        if self._name == "shuffled":
            return _choose(
                frames_BTHWC, np.stack([_shuffle(num_frames, origin, self._seed) for origin in batch.origins])
            )
        return self._swapped(batch) if self._name == "swapped" else frames_BTHWC

    def _swapped(self, batch: Batch) -> Frames:
        """Each slot shows the last clip of another origin before it; where there is none, the next one after it."""
        shown = _copy(batch.frames)
        slots = [int(slot) for slot in np.flatnonzero(batch.valid)]
        clips = [(batch.origins[slot], batch.frames[slot]) for slot in slots]
        for number, slot in enumerate(slots):
            origin = batch.origins[slot]
            before = [*([self._last] if self._last else []), *clips[:number]]
            others = [frames for other, frames in [*reversed(before), *clips[number + 1 :]] if other != origin]
            if not others:
                raise ValueError(
                    f"control 'swapped' shows the frames of another clip, and there is none beside {origin} in its "
                    "batch; raise batch_size"
                )
            shown[slot] = others[0]
        if clips:
            self._last = clips[-1][0], _copy(clips[-1][1])
        return shown


def _copy(frames: Frames) -> Frames:
    return frames.copy() if isinstance(frames, np.ndarray) else frames.clone()


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
