"""Spikes of the loss: steps whose loss lies far above those of the steps before, with the origins of their samples.

A step's loss is compared with the median of the last ones of its own dataset, in units of their usual deviation from it
(1.4826 times the median deviation, which is the standard deviation of normal numbers; 2 % of the median at least). All
ranks see the same mean losses, so they find the same spikes. What a run has seen before it was stopped is read from its
log. A loss that is not finite is no spike: it ends the run (mcg/engine/finite.py).
"""

from __future__ import annotations

import json
import statistics
from collections import defaultdict, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mcg import distributed
from mcg.engine.config import SpikeConfig
from shards import Batch

_LEAST = 0.02
"""Of the median: a deviation that a loss may always have."""


@dataclass(frozen=True)
class Spike:
    """A step whose loss is far above the usual."""

    loss: float
    usual: float
    """The median of the steps before."""
    deviations: float
    """By how many usual deviations the loss lies above it."""
    dataset: str | None
    origins: list[str]
    """Of all samples of the step, on every rank."""

    def __str__(self) -> str:
        seen = ", ".join(self.origins[:8]) + (f" and {len(self.origins) - 8} more" if len(self.origins) > 8 else "")
        return f"the loss is {self.loss:.4g}, usual are {self.usual:.4g}; its batch: {seen}"


class Spikes:
    """Looks at the steps of a run one after the other."""

    def __init__(self, config: SpikeConfig, run_dir: Path, first_step: int) -> None:
        """first_step: of the steps up to it the log tells the losses. Called on all ranks together."""
        self._config = config
        self._losses: dict[str | None, deque[float]] = defaultdict(lambda: deque(maxlen=config.window))
        seen = _seen(run_dir / "log.jsonl", first_step) if distributed.rank() == 0 else []
        for dataset, loss in distributed.gather_objects(seen):
            self._losses[dataset].append(loss)

    def look(self, losses: Mapping[str, float], batches: Sequence[Batch]) -> Spike | None:
        """The step as a spike, if it is one; losses: as Engine.train_step returns them."""
        loss, dataset = losses["total"], batches[0].dataset
        before = self._losses[dataset]
        spike = None
        if self._config.factor is not None and len(before) * 2 >= self._config.window:
            usual = statistics.median(before)
            spread = max(1.4826 * statistics.median(abs(one - usual) for one in before), _LEAST * abs(usual))
            deviations = (loss - usual) / spread if spread else 0.0
            if deviations > self._config.factor:
                origins = distributed.gather_objects([str(origin) for batch in batches for origin in batch.origins])
                spike = Spike(loss, usual, deviations, dataset, origins)
        if spike is None:  # a row of spikes does not become the usual
            before.append(loss)
        return spike


def _seen(log: Path, last: int) -> list[tuple[str | None, float]]:
    """Dataset and loss of the steps of a log up to `last`."""
    found = []
    for line in log.read_text().splitlines() if log.is_file() else ():
        try:
            record: dict[str, Any] = json.loads(line)
        except json.JSONDecodeError:
            continue  # a line that a killed run left half written
        if "losses" in record and record["step"] <= last:
            found.append((record["dataset"], float(record["losses"]["total"])))
    return found
