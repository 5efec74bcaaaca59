"""Which weights of a run are the best so far by the val split, kept apart and named.

The number is the task's headline (`Scores.headline`); more is better, and of equal ones the earlier is kept. Rank 0
decides for all, because RUN may not be on a disk that all ranks see.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mcg import distributed
from mcg.engine.checkpoint import best_checkpoint, save_best


class BestSoFar:
    """The best of a run, also of what was scored before it was resumed. `name` and `value` are None until then."""

    def __init__(self, run_dir: Path, config: dict[str, Any], vocabulary: str | None = None) -> None:
        self._run_dir, self._config, self._vocabulary = run_dir, config, vocabulary
        before = best_checkpoint(run_dir) if distributed.rank() == 0 else None
        known = [None if before is None else before.scored] if distributed.rank() == 0 else []
        self.name: str | None = None
        self.value: float | None = None
        scored = distributed.gather_objects(known)[0]
        if scored is not None:
            self.name, self.value = scored

    def consider(self, engine: Any, cursor: dict[str, Any], headline: tuple[str, float] | None) -> bool:
        """Save the engine's weights if they scored better than all before, on all ranks together; whether they did. A
        run whose task is scored by another number than before starts anew."""
        if headline is None:
            return False
        name, value = headline
        better = self.value is None or name != self.name or value > self.value
        if distributed.gather_objects([better])[0]:
            save_best(self._run_dir, engine, cursor, self._config, headline, self._vocabulary)
            self.name, self.value = headline
            return True
        return False
