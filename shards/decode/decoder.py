"""Types of decoders: functions of bytes, kind and clip plan."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple, TypeAlias, Union

import numpy as np
from numpy.typing import NDArray

from shards.base.errors import PrintableError
from shards.decode.cpu_slots import CpuSlots
from shards.media.clip_plan import ClipPlan
from shards.media.medium import Media

if TYPE_CHECKING:
    import torch


Frames: TypeAlias = Union[NDArray[np.uint8], "torch.Tensor"]
"""A clip, uint8 (T, H, W, 3), RGB, contiguous: a numpy array, or a tensor on the device that the backend decodes on."""
Decoder: TypeAlias = Callable[[Media, str, ClipPlan], Frames]
"""(media, kind, plan) -> frames. Raises MediaError."""
Count: TypeAlias = Callable[[str], None]
"""Counts a clip by the way it was decoded: "dali", "torchcodec", or "cpu: REASON" for one that these were not given or
refused."""


class DecodeSettings(NamedTuple):
    """What a backend is told of its loader."""

    threads: int = 1
    """Threads that may use the CPU at the same time."""
    gpu_clips: int = 16
    """Clips of one run on the GPU, at most."""
    gpu_threads: int | None = None
    """Threads that decode the clips of a run on the GPU; None: two for each video decoder that its driver tells of."""


class Backend(NamedTuple):
    """A way to decode on this machine."""

    name: str
    """"cpu", "dali-cuda", "dali-cpu", "torchcodec-cuda" or "torchcodec-cpu"; a cursor carries it."""
    decode: Decoder
    reason: str = "the configuration says so"
    """The reason for this choice, for the log."""
    waiting: int = 0
    """Threads that may wait for it at the same time without using the CPU: as many clips are decoded together."""
    cpu: CpuSlots | None = None
    """What its threads wait for to use the CPU; None: they need not wait."""


class Unsuitable(PrintableError):
    """A clip that is left to the CPU decoder: `reason` is one of a few words that are counted, the text says more."""

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason = reason
