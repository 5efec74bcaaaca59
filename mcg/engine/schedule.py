"""Length of a run and learning rate over time, in any unit; only this file converts them to optimiser steps.

The learning rate rises linearly over the warm-up and then falls to `final` of its peak, linearly or as a cosine. It is
a function of the step alone, so nothing of it needs saving. T2VLP's release takes the cosine of the whole run's
progress, which falls from its first step on but is seen after the warm-up alone: there the rate jumps down, at 20 % of
the run to 0.905 of its peak (docs/facts/t2vlp.md). That is `cosine_release`.
"""

from __future__ import annotations

import math
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator


class Duration(BaseModel):
    """A duration in one of several units: exactly one field is set."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    steps: int | None = Field(default=None, ge=0)
    """Optimiser steps."""
    passes: float | None = Field(default=None, ge=0)
    """Passes through all training elements."""
    elements: int | None = Field(default=None, ge=0)
    """Training elements."""
    percent: float | None = Field(default=None, ge=0, le=100)
    """Percent of the whole run; not for the length of the run itself."""

    @model_validator(mode="after")
    def _one(self) -> Self:
        given = [name for name in ("steps", "passes", "elements", "percent") if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(f"give exactly one of steps, passes, elements, percent; found {given or 'none'}")
        return self

    def to_steps(self, elements_per_step: float, elements_per_pass: int, total_steps: int | None = None) -> int:
        """Optimiser steps, rounded up. Raises ValueError for percent without a total."""
        if self.steps is not None:
            return self.steps
        if self.percent is not None:
            if total_steps is None:
                raise ValueError("schedule.length cannot be given in percent; use steps, passes or elements")
            return _round_up(self.percent * total_steps / 100)
        elements = self.elements if self.elements is not None else (self.passes or 0.0) * elements_per_pass
        return _round_up(elements / elements_per_step)


def _round_up(value: float) -> int:
    """Round up, but not for a rounding error of floating-point numbers: 0.1 passes of 30 elements are 3."""
    return math.ceil(value - 1e-9 * max(1.0, abs(value)))


class ScheduleConfig(BaseModel):
    """Length of the run, and the learning rate over time."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    length: Duration
    """Length of the run."""
    warmup: Duration = Duration(percent=5)
    """Length of the linear rise of the learning rate."""
    decay: Literal["linear", "cosine", "constant", "cosine_release"] = "linear"
    """Shape of the fall after the warm-up; `cosine_release` is T2VLP's, a cosine of the whole run, which jumps down at
    the end of the warm-up."""
    final: float = Field(default=0.0, ge=0, le=1)
    """Learning rate at the end as a share of its peak."""


class Schedule:
    """A schedule in steps. `total_steps` is the length of the run."""

    def __init__(self, config: ScheduleConfig, elements_per_step: float, elements_per_pass: int) -> None:
        self.total_steps = config.length.to_steps(elements_per_step, elements_per_pass)
        if self.total_steps < 1:
            raise ValueError(f"schedule.length: a run needs at least one step, found {config.length}")
        self.warmup_steps = config.warmup.to_steps(elements_per_step, elements_per_pass, self.total_steps)
        self._decay, self._final = config.decay, config.final

    def factor(self, step: int) -> float:
        """Learning rate of optimiser step `step` (from 0) as a share of the peak."""
        if step < self.warmup_steps:
            return (step + 1) / (self.warmup_steps + 1)  # + 1: no step is lost to a rate of 0
        if self._decay == "constant":
            return 1.0
        since = 0 if self._decay == "cosine_release" else self.warmup_steps
        done = (step - since) / max(1, self.total_steps - since)
        shape = 1 - done if self._decay == "linear" else (1 + math.cos(math.pi * done)) / 2
        return self._final + (1 - self._final) * shape
