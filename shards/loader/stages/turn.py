"""Turn: a thread's turn at the slots of one sample, with all that another thread needs to go on if it hangs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from shards.decode.decoder import Frames
from shards.loader.stages.fetch import Found
from shards.loader.stages.underway import Underway
from shards.media.clip_plan import ClipPlan
from shards.media.medium import Media
from shards.read.sample import Origin

ClipKey = tuple[Origin, str, ClipPlan]
"""(origin, kind, plan) of a clip; equal ones have equal frames."""
NO_ORIGIN = Origin("", "", "")


@dataclass(slots=True)
class LastClip:
    """The clip that was decoded last for the slots of one sample."""

    key: ClipKey | None = None
    """None when no other slot may have this clip."""
    frames: Frames | None = None
    failure: str = ""
    """The reason why there are no frames."""
    given_up: float | None = None
    """Seconds after which its decoding was given up."""


class Stages(Protocol):
    """The stages as a turn knows them."""

    def hand_over(self, turn: Turn, seconds: float) -> None:
        """Give up the clip that a thread decodes in its turn, and have another thread go on with the turn."""

    def stop(self, error: Exception) -> None:
        """End all batches under way with an error."""


@dataclass(slots=True)
class Turn:
    """One thread's turn at the slots of one sample; of one thread at a time.

    A thread that hangs and comes back at last does not touch it: another one may have it then.
    """

    stages: Stages
    batch: Underway
    numbers: Sequence[int]
    """The slots."""
    at: int = 0
    """How many of them are filled."""
    found: Found | None = None
    """What was fetched for the next one, from when it is taken out until it is filled."""
    last: LastClip = field(default_factory=LastClip)

    # The clip that is being decoded.
    address: tuple[int, int, int] = (0, 0, 0)
    """Dataset, position and attempt, as in `GivenUp`."""
    key: ClipKey | None = None
    origin: Origin = NO_ORIGIN
    media: Media = b""
    thread: int = 0

    def hand_over(self, seconds: float) -> None:
        self.stages.hand_over(self, seconds)

    def stop(self, error: Exception) -> None:
        self.stages.stop(error)
