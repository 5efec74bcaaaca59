"""The best weights of a run so far by the val split, kept in a checkpoint of their own.

The number is the task's headline (`Scores.headline`); more is better, and of equal ones the earlier is kept. Rank 0
decides for all, because RUN may not be on a disk that all ranks see. A best one from a later step than the run goes on
from is of a run that was given up: nothing is compared with it, and a run from scratch removes it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mcg import distributed
from mcg.engine.checkpoint import CheckpointError, best_checkpoint
from mcg.engine.saving import remove, save_best
from shards.base import logger

_logger = logger(__name__)


class BestSoFar:
    """The best weights of a run, over resumes. `name` and `value` are None until something was scored."""

    def __init__(self, run_dir: Path, config: dict[str, Any], vocabulary: str | None = None, step: int = 0) -> None:
        """step: the step that the run goes on from; 0: it begins from scratch."""
        self._run_dir, self._config, self._vocabulary = run_dir, config, vocabulary
        known = [_scored_before(run_dir, step)] if distributed.rank() == 0 else []
        self.name: str | None = None
        self.value: float | None = None
        scored = distributed.gather_objects(known)[0]
        if scored is not None:
            self.name, self.value = scored

    def consider(self, engine: Any, cursor: dict[str, Any], headline: tuple[str, float] | None) -> bool:
        """Save the engine's weights if they scored better than all before, on all ranks together; True if they did.

        If the task is scored by another number than before, earlier scores do not count.
        """
        if headline is None:
            return False
        name, value = headline
        better = self.value is None or name != self.name or value > self.value
        if distributed.gather_objects([better])[0]:
            save_best(self._run_dir, engine, cursor, self._config, headline, self._vocabulary)
            self.name, self.value = headline
            return True
        return False


def _scored_before(run_dir: Path, step: int) -> tuple[str, float] | None:
    """The score of the best checkpoint, if it is of this run; a broken one is told and does not count."""
    if step == 0:
        _remove_best(run_dir)
        return None
    try:
        before = best_checkpoint(run_dir)
    except CheckpointError as error:
        _logger.warning("%s; the run goes on without it, and what is scored next is its best", error)
        return None
    return None if before is None or before.step > step else before.scored


def _remove_best(run_dir: Path) -> None:
    """Remove the best checkpoint of a run folder, if there is one; for one rank."""
    root = run_dir / "checkpoints"
    (root / "best").unlink(missing_ok=True)  # first: killed in between, nothing is named that is not whole
    for folder in root.glob("best-*"):
        remove(folder)
