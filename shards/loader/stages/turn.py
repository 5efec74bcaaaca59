"""Turn: a thread's turn at a batch, sample by sample, with all that another thread needs to go on if it hangs."""

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
"""Reuse key of a clip: (origin, kind, plan); None in its place when no other slot may have this clip."""
_NO_ORIGIN = Origin("", "", "")


@dataclass(slots=True)
class LastClip:
    """The clip that was decoded last for the slots of one sample."""

    key: ClipKey | None = None
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
    """One thread's turn at a batch: the sample whose slots it fills, and the clip that it decodes.

    It is of one thread at a time: one that hung and comes back does not touch it, for another one may have it.
    """

    stages: Stages
    batch: Underway
    thread: int = 0
    """Number of the thread."""
    running: list[bool] = field(default_factory=list)
    """As in `Watched`."""
    numbers: Sequence[int] = ()
    """The slots of the sample."""
    number: int | None = None
    """The slot in hand; None: all of the batch are filled."""
    found: Found | None = None
    """What was fetched for it."""
    attempt: int = 0
    """0, or the number of the substitute for it that is tried."""
    key: ClipKey | None = None
    """That of the clip that is decoded."""
    origin: Origin = _NO_ORIGIN
    """The sample of that clip."""
    media: Media = b""
    last: LastClip = field(default_factory=LastClip)

    @property
    def address(self) -> tuple[int, int, int]:
        """Dataset, position and attempt, as in a cursor."""
        assert self.found is not None
        element = self.found.element
        return element.dataset, element.position, self.attempt

    @property
    def rest(self) -> Sequence[int]:
        """The slots from the one in hand on."""
        return () if self.number is None else self.numbers[self.numbers.index(self.number) :]

    def hand_over(self, seconds: float) -> None:
        self.stages.hand_over(self, seconds)

    def stop(self, error: Exception) -> None:
        self.stages.stop(error)
