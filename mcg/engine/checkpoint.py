"""Finding the checkpoints of a run and reading their descriptions. Loads no torch.

A checkpoint is a folder RUN/checkpoints/step-000600 with `model.safetensors` (weights alone, what evaluation and
`init_from` read), `state/` (the training state of all ranks) and `checkpoint.json` (step, loader cursor, the run's
config, versions, and the XXH3 of every file and of this description). RUN/checkpoints/latest names the last one.
RUN/checkpoints/best names the weights that scored best on the val split, in a folder best-000500 of the same shape
without `state/`: to evaluate, to answer with and to start from, not to go on from.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from mcg.engine.store.integrity import FileFacts, from_json, is_sealed, read_line
from mcg.strange_files import strange_kind
from shards.base import PrintableError, UsageError, load_json

FORMAT = 2
_WITHOUT_CHECKSUMS = 1
Selection = Literal["latest", "best"]
_NAME = re.compile(r"(step|best)-(\d{6,})(?:\.\d+)?")


class CheckpointError(PrintableError, ValueError):
    """A checkpoint that is missing, broken, could not be saved, or is of another model or run."""


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
    files: dict[str, FileFacts] | None = None
    """Every file by its path below the folder; None in older checkpoints, whose files cannot be checked."""


def selection(text: str) -> Selection:
    """Which checkpoint of a run folder --select means. Raises UsageError."""
    if text not in ("latest", "best"):
        raise UsageError(f"--select {text!r}: choose latest or best")
    return "best" if text == "best" else "latest"


def find_checkpoint(path: str | Path, select: Selection = "latest") -> Checkpoint:
    """The checkpoint at a checkpoint folder, or the latest or best one of a run folder. Its description is checked, its
    files are not: whoever reads one does that. Raises CheckpointError."""
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
        if facts["format"] not in (FORMAT, _WITHOUT_CHECKSUMS):
            raise CheckpointError(
                f"{folder}: checkpoint format {facts['format']}, this version reads {FORMAT}"
                " and older ones; use the version that wrote it"
            )
        checked = facts["format"] == FORMAT
        if checked and not is_sealed(facts):
            raise CheckpointError(
                f"{folder / 'checkpoint.json'}: is not what was saved: its content does not fit its checksum; copy "
                "the checkpoint again, or take another one"
            )
        scored = facts.get("scored")
        found = Checkpoint(
            folder,
            int(facts["step"]),
            facts["cursor"],
            facts["config"],
            facts.get("vocabulary"),
            None if scored is None else (str(scored[0]), float(scored[1])),
            from_json(facts["files"]) if checked else None,
        )
    except CheckpointError:
        raise
    except (OSError, LookupError, AttributeError, TypeError, ValueError, RecursionError) as error:
        file = folder / "checkpoint.json"
        raise CheckpointError(f"{file}: not readable: {what_is_wrong(file, error, is_json=True)}") from error
    if step_of(folder.name) not in (None, found.step):
        raise CheckpointError(
            f"{folder}: its checkpoint.json is of step {found.step}; give the folder the name that it was saved with"
        )
    return found


def has_latest(run_dir: str | Path) -> bool:
    """True if a run has a checkpoint to go on from, whole or not."""
    return (Path(run_dir) / "checkpoints" / "latest").is_file()


def best_checkpoint(run_dir: str | Path) -> Checkpoint | None:
    """The checkpoint that RUN/checkpoints/best names; None for a run that has scored no val split."""
    return _pointed_at(Path(run_dir), "best")


def read_pointer(pointer: Path) -> str | None:
    """The name of the folder that `latest` or `best` points at; None if the file is not what was written."""
    try:
        name = read_line(pointer.read_bytes()[:1024])
    except OSError:
        return None
    return name if name is not None and step_of(name) is not None else None


def step_of(name: str, kind: Literal["step", "best"] | None = None) -> int | None:
    """The step in a name that a checkpoint's folder is saved under, of either or of one kind; None: another name."""
    told = _NAME.fullmatch(name)
    return int(told[2]) if told is not None and kind in (None, told[1]) else None


def saved_steps(root: Path) -> list[tuple[int, str]]:
    """Steps and names of the checkpoints in RUN/checkpoints that a run can go on from, oldest first."""
    found = ((step_of(folder.name, "step"), folder.name) for folder in root.iterdir())
    return sorted((step, name) for step, name in found if step is not None)


def _pointed_at(run_dir: Path, pointer_name: str) -> Checkpoint | None:
    pointer = run_dir / "checkpoints" / pointer_name
    if not pointer.is_file():
        return None
    name = read_pointer(pointer)
    if name is None or not (pointer.parent / name / "checkpoint.json").is_file():
        said = pointer.read_bytes()[:80].decode("utf-8", "replace").strip() if name is None else name
        raise CheckpointError(
            f"{pointer} names {said!r}, which is not a checkpoint beside it; write the name of one that is, or delete "
            "the file to start anew"
        )
    return find_checkpoint(pointer.parent / name)


def what_is_wrong(file: Path, error: Exception, is_json: bool = False) -> str:
    """One phrase on why a file of a checkpoint is not readable, and what to do."""
    kind = strange_kind(file, is_json)
    return f"{error!r}; copy the checkpoint again"[:1000] if kind is None else f"it is {kind}"
