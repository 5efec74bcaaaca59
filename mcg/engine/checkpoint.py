"""Checkpoints: whole or absent.

A checkpoint is a folder RUN/checkpoints/step-000600 with `model.safetensors` (weights alone, what evaluation and
`init_from` read), `state/` (DeepSpeed's files of all ranks) and `checkpoint.json` (step, loader cursor, the run's
config, versions). It is written aside and renamed when every rank is done; RUN/checkpoints/latest names it last.
Killing a run at any moment leaves the previous checkpoint in charge.
"""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn

from mcg import distributed

FORMAT = 1


class CheckpointError(ValueError):
    """A checkpoint that is missing, broken, or of another model or run."""


@dataclass(frozen=True)
class Checkpoint:
    """A finished checkpoint folder and what its checkpoint.json says."""

    folder: Path
    step: int
    cursor: dict[str, Any]
    config: dict[str, Any]


def find_checkpoint(path: str | Path) -> Checkpoint:
    """The checkpoint at a checkpoint folder, or the latest one of a run folder. Raises CheckpointError."""
    folder = Path(path)
    if not (folder / "checkpoint.json").is_file():
        latest = latest_checkpoint(folder)
        if latest is None:
            raise CheckpointError(
                f"{folder}: no checkpoint there; expected a folder with checkpoint.json, or a run folder with "
                "checkpoints/latest"
            )
        return latest
    try:
        facts = json.loads((folder / "checkpoint.json").read_text())
        if facts["format"] != FORMAT:
            raise CheckpointError(f"{folder}: checkpoint format {facts['format']}, this version reads {FORMAT}")
        return Checkpoint(folder, int(facts["step"]), facts["cursor"], facts["config"])
    except (OSError, KeyError, TypeError, json.JSONDecodeError) as error:
        raise CheckpointError(f"{folder / 'checkpoint.json'}: not readable: {error!r}") from error


def latest_checkpoint(run_dir: str | Path) -> Checkpoint | None:
    """The checkpoint that RUN/checkpoints/latest names; None for a run that has none yet."""
    pointer = Path(run_dir) / "checkpoints" / "latest"
    if not pointer.is_file():
        return None
    name = pointer.read_text().strip()
    if not (pointer.parent / name / "checkpoint.json").is_file():
        raise CheckpointError(
            f"{pointer} names {name!r}, which is not a checkpoint beside it; write the name of one that is, or delete "
            "the file to start anew"
        )
    return find_checkpoint(pointer.parent / name)


def save_checkpoint(
    run_dir: str | Path, engine: Any, cursor: dict[str, Any], config: dict[str, Any], keep: int
) -> Path:
    """Save on all ranks together; returns the finished folder. Older ones beyond `keep` are removed afterwards."""
    root = Path(run_dir) / "checkpoints"
    name = f"step-{engine.step:06d}"
    aside, final = root / f".{name}", root / name
    first = distributed.rank() == 0
    if first:
        root.mkdir(parents=True, exist_ok=True)
        for leftover in root.glob(".step-*"):
            shutil.rmtree(leftover)
        aside.mkdir()
    distributed.barrier()
    engine.save(aside)
    weights = engine.model_state()
    if first:
        # tied weights share memory, which safetensors refuses: keep one name of each; loading ties them again
        unique = {t.data_ptr(): (n, t) for n, t in reversed(list(weights.items()))}
        save_file({n: t.detach().cpu().contiguous() for n, t in unique.values()}, aside / "model.safetensors")
        facts = {
            "format": FORMAT,
            "step": engine.step,
            "cursor": cursor,
            "config": config,
            "torch": torch.__version__,
            "world_size": distributed.world_size(),
        }
        (aside / "checkpoint.json").write_text(json.dumps(facts, indent=1))
    distributed.barrier()
    if first:
        if final.exists():
            shutil.rmtree(final)
        os.replace(aside, final)
        pointer = root / ".latest"
        pointer.write_text(name + "\n")
        os.replace(pointer, root / "latest")
        for old in _older(root, engine.step)[:-keep]:
            shutil.rmtree(old)
    distributed.barrier()
    return final


def _older(root: Path, step: int) -> list[Path]:
    """Checkpoint folders up to a step, oldest first. Later ones, left by a user who went back, are not ours to drop."""
    numbered = [(int(folder.name.removeprefix("step-")), folder) for folder in root.glob("step-*")]
    return [folder for number, folder in sorted(numbered) if number <= step]


def load_weights(model: nn.Module, folder: Path) -> list[str]:
    """Load model.safetensors of a checkpoint into a model; the names of parameters that the file does not have (a task
    may add parts) are returned. Raises CheckpointError when shapes or names show that it is another model's."""
    file = folder / "model.safetensors"
    try:
        state = load_file(file)
    except (OSError, SafetensorError) as error:
        raise CheckpointError(f"{file}: not readable: {error}") from error
    own = model.state_dict()
    unknown = sorted(set(state) - set(own))
    shapes = [
        f"{name} is {tuple(state[name].shape)} there and {tuple(own[name].shape)} here"
        for name in sorted(set(state) & set(own))
        if state[name].shape != own[name].shape
    ]
    if unknown or shapes:
        first = (shapes or [f"{unknown[0]} is unknown here"])[0]
        raise CheckpointError(
            f"{file}: weights of another model: {first} ({len(shapes)} shapes and {len(unknown)} names differ); set "
            "model.* as in the checkpoint's config"
        )
    have = {own[name].data_ptr() for name in state}
    model.load_state_dict(state, strict=False)
    return sorted(name for name, tensor in own.items() if tensor.data_ptr() not in have)
