"""The results of a loader's stages: slots, and the batch that they become."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from shards.decode.decoder import Frames
from shards.loader.quarantine import Failure
from shards.read.sample import Origin

PADDING = Origin("", "", "padding")
"""The origin of slots that only fill up the last batch of an evaluation."""


@dataclass(slots=True)
class Slot:
    """One slot of a batch: a decoded element, or the failure of one (frames None), or padding (origin PADDING).

    Not frozen, which would take three times as long to make.
    """

    origin: Origin
    frames: Frames | None
    """(T, H, W, 3) uint8 RGB or (S, F) features of S moments, float16 or float32; an array or a tensor."""
    arrays: dict[str, npt.NDArray[Any]] = field(default_factory=dict)
    meta: dict[str, Any] = field(default_factory=dict)
    failures: tuple[Failure, ...] = ()
    """Failed attempts to fill this slot, in order."""


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """One rank's part of a global batch; B is the rank's number of slots."""

    frames: Frames
    """(B, T, H, W, 3) uint8 RGB, or (B, S, F) features: a numpy array, or where a GPU decodes a torch tensor there,
    complete, and safe to use on the CUDA stream that was current when the batch was asked for (on another one:
    `Tensor.record_stream`)."""
    arrays: dict[str, npt.NDArray[Any]]
    """Each (B, *shape), where shape is the largest of the slots along every axis; the rest is zeros."""
    meta: list[dict[str, Any]]
    origins: list[Origin]
    """Origin of every element handed over, in evaluation also of failed ones (`PADDING` for slots that fill up)."""
    valid: npt.NDArray[np.bool_]
    """(B,) False for failed slots and padding, which training never has."""
    dataset: str | None
    """The dataset of the whole global batch, None when it is mixed."""
    slot_failures: list[tuple[Failure, ...]]
    """Failed attempts of each slot, in order: several records of one sample may fail for several reasons, which the
    origin does not tell apart."""

    def __len__(self) -> int:
        return len(self.origins)

    @property
    def failures(self) -> list[Failure]:
        """Failures of all slots: in training of substituted elements, in evaluation of missing ones."""
        return [failure for failures in self.slot_failures for failure in failures]


@dataclass(frozen=True, slots=True)
class Unfilled:
    """Stands in for a training batch when a slot could be filled neither by its element nor by any substitute."""

    failures: list[Failure]
    """Failures of all slots, as in a batch."""
    exhausted: tuple[Failure, ...]
    """Failures of the first slot that could not be filled."""
