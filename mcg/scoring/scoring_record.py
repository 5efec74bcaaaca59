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

NAME = "test_scorings.jsonl"


def record_of(checkpoint: Checkpoint) -> Path:
    """The record's file for a checkpoint; it need not exist yet."""
    folder = checkpoint.folder.absolute()
    return folder.parents[1] / "evaluation" / NAME if folder.parent.name == "checkpoints" else folder / NAME


def check_unscored(file: Path) -> None:
    """Raise ValueError if the record holds a scoring without a control, or cannot be read."""
    lines = file.read_text().splitlines() if file.is_file() else []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            noted: dict[str, Any] = load_json(line)
            scored = noted["control"] == "none"
            time, checkpoint = noted["time"], noted["checkpoint"]
        except (LookupError, TypeError, ValueError) as error:
            raise ValueError(
                f"{file}: line {number} is no scoring ({error!r}); remove the line, or say --again"
            ) from error
        if scored:
            raise ValueError(
                f"{file}: this run's test split was scored already, at {time} with {checkpoint}; choose checkpoints by "
                "--split val, or say --again"
            )


def note_scoring(file: Path, checkpoint: Checkpoint, control: str, out: Path, scores: Scores) -> None:
    """Add a line to the record."""
    line = {
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "checkpoint": str(checkpoint.folder),
        "step": checkpoint.step,
        "control": control,
        "out": str(out),
        "headline": scores.headline,
    }
    file.parent.mkdir(parents=True, exist_ok=True)
    with open(file, "a") as lines:
        lines.write(json.dumps(line) + "\n")
