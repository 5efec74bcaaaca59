"""Writing of checkpoints, each whole or absent.

A checkpoint is written aside, pushed to the disk, and renamed when every rank is done; RUN/checkpoints/latest names it
last. Killing a run at any moment, or a disk that fills up, leaves the previous checkpoint in charge.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor

from mcg import distributed
from mcg.engine.checkpoint import FORMAT, CheckpointError, read_pointer
from mcg.engine.store.integrity import FileFacts, keep_folder, seal, seal_line, to_json, write_text
from mcg.engine.store.tensor_file import write_tensors

_Made = TypeVar("_Made")


def save_checkpoint(
    run_dir: str | Path,
    engine: Any,
    cursor: dict[str, Any],
    config: dict[str, Any],
    keep: int,
    vocabulary: str | None = None,
) -> Path:
    """Save on all ranks together; returns the finished folder. Older ones beyond `keep` are removed afterwards.

    Raises CheckpointError on every rank if any cannot write; what was written is removed then.
    """
    facts = {"cursor": cursor, "config": config, "vocabulary": vocabulary}
    final = _save(Path(run_dir) / "checkpoints", "step", engine, facts, "latest")
    if distributed.rank() == 0:
        for old in _older(final.parent, engine.step)[:-keep]:
            remove(old)
    distributed.barrier()
    return final


def save_best(
    run_dir: str | Path,
    engine: Any,
    cursor: dict[str, Any],
    config: dict[str, Any],
    scored: tuple[str, float],
    vocabulary: str | None = None,
) -> Path:
    """Save the weights alone as the best so far, on all ranks together; the one before is removed afterwards."""
    facts = {"cursor": cursor, "config": config, "vocabulary": vocabulary, "scored": list(scored)}
    final = _save(Path(run_dir) / "checkpoints", "best", engine, facts, "best")
    if distributed.rank() == 0:
        for old in final.parent.glob("best-*"):
            if old != final:
                remove(old)
    distributed.barrier()
    return final


def describe(folder: Path, facts: dict[str, Any], files: dict[str, FileFacts]) -> None:
    """Write checkpoint.json of a folder that holds these files."""
    whole = {"format": FORMAT, **facts, "torch": torch.__version__, "files": to_json(files)}
    # through JSON and back, so that the checksum is over what a reader finds
    write_text(folder / "checkpoint.json", json.dumps(seal(json.loads(json.dumps(whole))), indent=1) + "\n")


def point_at(root: Path, pointer_name: str, name: str, then: Callable[[], None] = lambda: None) -> None:
    """Make ROOT/latest or ROOT/best name a folder, whole or not at all. then: called when nothing can fail any more for
    lack of room, just before."""
    pointer = root / f".{pointer_name}"
    try:
        write_text(pointer, seal_line(name))
        then()
        keep_folder(root)
        os.replace(pointer, root / pointer_name)
        keep_folder(root)
    finally:
        pointer.unlink(missing_ok=True)


def remove(folder: Path) -> None:
    """Remove a checkpoint folder: absent at once, whatever ends the process. What cannot be removed is left aside."""
    aside = folder.with_name(f".{folder.name}.old")
    shutil.rmtree(aside, ignore_errors=True)
    os.replace(folder, aside)
    shutil.rmtree(aside, ignore_errors=True)


def untied(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """Weights without the second names of tied ones, which loading ties again."""
    return dict({t.data_ptr(): (n, t) for n, t in reversed(list(weights.items()))}.values())


def _save(root: Path, kind: str, engine: Any, facts: dict[str, Any], pointer_name: str) -> Path:
    """Write a folder KIND-STEP aside, rename it when every rank is done, and point at it."""
    first = distributed.rank() == 0
    plain = f"{kind}-{engine.step:06d}"
    aside = root / f".{plain}"
    weights = engine.model_state()  # before anything is written: under ZeRO 3 all ranks take part

    def begin() -> str:
        root.mkdir(parents=True, exist_ok=True)
        for leftover in root.glob(f".{kind}-*"):
            shutil.rmtree(leftover, ignore_errors=True)
        aside.mkdir()
        return _free_name(root, plain, pointer_name)

    def write() -> dict[str, FileFacts]:
        files: dict[str, FileFacts] = {}
        if first:
            files["model.safetensors"] = write_tensors(aside / "model.safetensors", untied(weights))
        if kind == "step":
            files |= engine.save(aside)
        return files

    def finish(name: str, files: dict[str, FileFacts]) -> Path:
        described = {"step": engine.step, **facts, "world_size": distributed.world_size()}
        describe(aside, described, files)
        for folder in (*(path for path in aside.rglob("*") if path.is_dir()), aside):
            keep_folder(folder)
        final = root / name

        def rename() -> None:
            if final.exists():  # of a run that went back; nothing points at it
                remove(final)
            os.replace(aside, final)

        point_at(root, pointer_name, name, rename)
        return final

    (name,) = _together(aside, lambda: [begin()] if first else [])
    files = _together(aside, lambda: list(write().items()))
    _together(aside, lambda: [finish(name, dict(files))] if first else [])
    return root / name


def _together(aside: Path, work: Callable[[], list[_Made]]) -> list[_Made]:
    """What the ranks' work returns, in rank order. If it fails on any of them, what was written is removed, and every
    rank raises CheckpointError."""
    made: list[_Made] = []
    problem = None
    try:
        made = work()
    except OSError as error:
        problem = _why(error)
    problems = distributed.gather_objects([problem] if problem is not None else [])
    if not problems:
        return distributed.gather_objects(made)
    if distributed.rank() == 0:
        shutil.rmtree(aside, ignore_errors=True)
    distributed.barrier()
    latest = read_pointer(aside.parent / "latest")
    kept = "there is none before it" if latest is None else f"and the same command goes on from {latest}"
    raise CheckpointError(
        f"{aside.parent / aside.name.removeprefix('.')}: the checkpoint was not saved: {problems[0]}; make room or set "
        f"another run_dir; what was written of it is removed, {kept}"
    )


def _why(error: OSError) -> str:
    at = "" if error.filename is None else f" ({error.filename})"
    return f"{error.strerror or error}{at}"


def _free_name(root: Path, plain: str, pointer_name: str) -> str:
    """The name of the new folder: its number, and one more if the pointer names the folder of that number."""
    if read_pointer(root / pointer_name) != plain:
        return plain
    return next(name for name in (f"{plain}.{n}" for n in range(1, 1000)) if not (root / name).exists())


def _older(root: Path, step: int) -> list[Path]:
    """Checkpoint folders up to a step, oldest first. Later ones are left by a user who went back, and are kept."""
    numbered = [
        (int(told[1]), folder.name, folder)
        for folder in root.glob("step-*")
        if (told := re.fullmatch(r"step-(\d+)(?:\.\d+)?", folder.name))
    ]
    return [folder for number, _, folder in sorted(numbered) if number <= step]
