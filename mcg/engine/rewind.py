"""Going back to the newest checkpoint after a spike of the loss, and on with the data that come after it.

Weights and optimiser become those of the checkpoint; the loader goes on where it is, so the samples since the
checkpoint, those of the spike among them, are left out (what PaLM did by hand: arXiv 2204.02311, section 5.1). The
number of steps stays that of the schedule. A run that is killed before its next checkpoint meets the spike again.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from mcg import distributed
from mcg.engine.checkpoint import has_latest
from mcg.engine.deepspeed import Engine
from mcg.engine.saving import wait_for_save
from mcg.engine.store.background import Background
from mcg.engine.store.resume import resume_point

_MOST = 3
"""Times that a run goes back to one checkpoint: a loss that stays high is then the run's own."""


class Rewind:
    """Takes a run back to its newest checkpoint, on all ranks together."""

    def __init__(self, run_dir: Path, engine: Engine, background: Background | None) -> None:
        self._run_dir, self._engine, self._background = run_dir, engine, background
        self._times: Counter[int] = Counter()

    def __call__(self) -> str | None:
        """Go back. Returns why not, if there is no checkpoint or too often the same one. Raises CheckpointError."""
        if self._background is not None:
            wait_for_save(self._run_dir, self._background)
        if not all(distributed.gather_objects([has_latest(self._run_dir)])):
            return "there is no checkpoint yet to go back to"
        checkpoint = resume_point(self._run_dir)
        assert checkpoint is not None
        if self._times[checkpoint.step] == _MOST:
            return f"it has gone back to step {checkpoint.step} {_MOST} times, and goes on"
        self._times[checkpoint.step] += 1
        self._engine.load(checkpoint.folder, checkpoint.step)
        return None
