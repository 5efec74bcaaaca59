"""The record of scorings of the test split, which may be scored once, with the checkpoint that val has selected.

It is kept with the weights, whatever config they are scored by: RUN/evaluation/test_scorings.jsonl for all checkpoints
of a run, and CHECKPOINT/test_scorings.jsonl for a folder of its own, as converted weights are. Scorings with a control
are noted, too, but do not count.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mcg.engine.checkpoint import Checkpoint
from shards.base import load_json

if TYPE_CHECKING:
    from mcg.tasks.task import Scores

_NAME = "test_scorings.jsonl"


def evaluation_folder(run_dir: Path, split: str, use: str) -> Path:
    """Where a run keeps the scores of a split. use: "" in a run without `uses`."""
    return run_dir / "evaluation" / split / use


class ScoringRecord:
    """The record that the scorings of a checkpoint belong to; its file need not exist yet."""

    def __init__(self, checkpoint: Checkpoint) -> None:
        folder = checkpoint.folder.absolute()
        of_run = folder.parent.name == "checkpoints"
        self.file = folder.parents[1] / "evaluation" / _NAME if of_run else folder / _NAME
        self._checkpoint = checkpoint

    def check_unscored(self, use: str | None = None) -> None:
        """Raise ValueError if it holds a scoring of this use without a control, or cannot be read."""
        lines = self.file.read_text().splitlines() if self.file.is_file() else []
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            try:
                noted: dict[str, Any] = load_json(line)
                scored = noted["control"] == "none" and noted.get("use") == use
                time, checkpoint = noted["time"], noted["checkpoint"]
            except (LookupError, TypeError, ValueError) as error:
                raise ValueError(
                    f"{self.file}: line {number} is no scoring ({error!r}); remove the line, or say --again"
                ) from error
            if scored:
                raise ValueError(
                    f"{self.file}: this run's test split was scored already, at {time} with {checkpoint}; choose "
                    "checkpoints by --split val, or say --again"
                )

    def note(self, control: str, out: Path, scores: Scores) -> None:
        """Add a line about a scoring. control: the one it was made with; out: the folder of its results."""
        line = {
            "time": datetime.now(UTC).isoformat(timespec="seconds"),
            "checkpoint": str(self._checkpoint.folder),
            "step": self._checkpoint.step,
            "control": control,
            "out": str(out),
            "headline": scores.headline,
            **({} if scores.use is None else {"use": scores.use}),
        }
        self.file.parent.mkdir(parents=True, exist_ok=True)
        with open(self.file, "a") as lines:
            lines.write(json.dumps(line) + "\n")
