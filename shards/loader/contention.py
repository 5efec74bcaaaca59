"""Contention: how much longer the steps of a training loop take because the loader works beside them.

Threads that read and decode take cores, caches and the interpreter lock from the step while the consumer waits for
nothing, so the time it waits does not show them. It shows in a comparison: every fourth step is held, which is that the
loader begins no further batch in it (`Loader.hold`, `StepTimer`); the held steps are compared with the free ones. With
the means of both kinds, seconds of a step without its waiting:

    slowed_by   = (seconds free - seconds held) / (CPU free - CPU held)    seconds lost per CPU second of the loader
    lost_share  = slowed_by x CPU of all steps / seconds of all steps

`slowed_by` is 1 / cores where a step keeps all cores busy, 0 where cores are spare, and more where threads of the step
wait for one another or for the interpreter lock. `lost_error` is twice the standard error of `lost_share`.

Promises: constant memory; sums that add and subtract, so an interval is `after - before`.
Gives up: the figure of a single step; what downloads into a cache take (they are not held); and any figure when the
loader is never ahead: then steps wait, and `wait_share` says so.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import sqrt


@dataclass(frozen=True, slots=True)
class Steps:
    """Sums over steps of one kind."""

    count: int = 0
    seconds: float = 0.0
    """Wall seconds without waiting."""
    squares: float = 0.0
    """Squares of these seconds."""
    cpu: float = 0.0
    """CPU seconds of the loader's threads."""

    def __add__(self, later: Steps) -> Steps:
        return Steps(
            self.count + later.count, self.seconds + later.seconds, self.squares + later.squares, self.cpu + later.cpu
        )

    def __sub__(self, before: Steps) -> Steps:
        return self + Steps(-before.count, -before.seconds, -before.squares, -before.cpu)

    @property
    def mean_variance(self) -> float:
        """Variance of the mean of the seconds."""
        return max(0.0, self.squares - self.seconds**2 / self.count) / (self.count - 1) / self.count


@dataclass(frozen=True, slots=True)
class Contention:
    """Held and free steps beside one another."""

    held: Steps = field(default_factory=Steps)
    free: Steps = field(default_factory=Steps)

    def __add__(self, later: Contention) -> Contention:
        return Contention(self.held + later.held, self.free + later.free)

    def __sub__(self, before: Contention) -> Contention:
        return Contention(self.held - before.held, self.free - before.free)

    @property
    def slowed_by(self) -> float | None:
        """Seconds that a step loses for each CPU second of the loader; None until two steps of each kind differ."""
        fewer = self._fewer_cpu()
        if fewer is None:
            return None
        held, free = self.held, self.free
        return max(0.0, (free.seconds / free.count - held.seconds / held.count) / fewer)

    @property
    def lost_share(self) -> float | None:
        """Share of the steps' time that the loader's CPU took from them, waiting not counted; None: not known yet."""
        slowed_by, both = self.slowed_by, self.held + self.free
        return None if slowed_by is None else min(1.0, slowed_by * both.cpu / both.seconds)

    @property
    def lost_error(self) -> float | None:
        """Twice the standard error of `lost_share`."""
        fewer, both = self._fewer_cpu(), self.held + self.free
        if fewer is None:
            return None
        return 2 * sqrt(self.held.mean_variance + self.free.mean_variance) / fewer * both.cpu / both.seconds

    def _fewer_cpu(self) -> float | None:
        """CPU seconds of the loader that a held step has fewer than a free one; None where they do not differ."""
        held, free = self.held, self.free
        if min(held.count, free.count) < 2:
            return None
        fewer = free.cpu / free.count - held.cpu / held.count
        return fewer if fewer > 0.2 * free.cpu / free.count else None
