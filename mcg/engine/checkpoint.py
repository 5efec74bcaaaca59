"""Finding the checkpoints of a run and reading their descriptions. Loads no torch.

A checkpoint is a folder RUN/checkpoints/step-000600 with `model.safetensors` (weights alone, what evaluation and
`init_from` read), `state/` (DeepSpeed's files of all ranks) and `checkpoint.json` (step, loader cursor, the run's
config, versions). RUN/checkpoints/latest names the last one. RUN/checkpoints/best names the weights that scored best on
the val split, in a folder best-000500 of the same shape without `state/`: to evaluate, to answer with and to start
from, not to go on from.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from mcg.strange_files import strange_kind
from shards.base import PrintableError, load_json

FORMAT = 1


class CheckpointError(PrintableError, ValueError):
    """A checkpoint that is missing, broken, or of another model or run."""


@dataclass(frozen=True)
class Checkpoint:
    """A finished checkpoint folder and the content of its checkpoint.json."""

    folder: Path
    step: int
    cursor: dict[str, Any]
    config: dict[str, Any]
    vocabulary: str | None = None
    """Fingerprint of the vocabulary that it was trained with; None in converted weights and older checkpoints."""
    scored: tuple[str, float] | None = None
    """For a best checkpoint: path and value of the metric of the val split."""


def find_checkpoint(path: str | Path, select: Literal["latest", "best"] = "latest") -> Checkpoint:
    """The checkpoint at a checkpoint folder, or the latest or best one of a run folder. Raises CheckpointError."""
    folder = Path(path)
    if not (folder / "checkpoint.json").is_file():
        found = _pointed_at(folder, select)
        if found is None:
            hint = "; only a run that scores data.val has a best one, take the latest" if select == "best" else ""
            raise CheckpointError(
                f"{folder}: no checkpoint there; expected a folder with checkpoint.json, or a run folder with "
                f"checkpoints/{select}{hint}"
            )
        return found
    try:
        facts = load_json((folder / "checkpoint.json").read_bytes())
        if facts["format"] != FORMAT:
            raise CheckpointError(f"{folder}: checkpoint format {facts['format']}, this version reads {FORMAT}")
        scored = facts.get("scored")
        return Checkpoint(
            folder,
            int(facts["step"]),
            facts["cursor"],
            facts["config"],
            facts.get("vocabulary"),
            None if scored is None else (str(scored[0]), float(scored[1])),
        )
    except CheckpointError:
        raise
    except (OSError, LookupError, TypeError, ValueError, RecursionError) as error:
        file = folder / "checkpoint.json"
        raise CheckpointError(f"{file}: not readable: {what_is_wrong(file, error, is_json=True)}") from error


def latest_checkpoint(run_dir: str | Path) -> Checkpoint | None:
    """The checkpoint that RUN/checkpoints/latest names; None for a run that has none yet."""
    return _pointed_at(Path(run_dir), "latest")


def best_checkpoint(run_dir: str | Path) -> Checkpoint | None:
    """The checkpoint that RUN/checkpoints/best names; None for a run that has scored no val split."""
    return _pointed_at(Path(run_dir), "best")


def _pointed_at(run_dir: Path, pointer_name: str) -> Checkpoint | None:
    pointer = run_dir / "checkpoints" / pointer_name
    if not pointer.is_file():
        return None
    name = pointer.read_text().strip()
    if not (pointer.parent / name / "checkpoint.json").is_file():
        raise CheckpointError(
            f"{pointer} names {name!r}, which is not a checkpoint beside it; write the name of one that is, or delete "
            "the file to start anew"
        )
    return find_checkpoint(pointer.parent / name)


def what_is_wrong(file: Path, error: Exception, is_json: bool = False) -> str:
    """One phrase on why a file of a checkpoint is not readable, and what to do."""
    kind = strange_kind(file, is_json)
    return f"{error!r}; copy the checkpoint again"[:1000] if kind is None else f"it is {kind}"
