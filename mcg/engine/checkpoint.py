"""Checkpoints: whole or absent.

A checkpoint is a folder RUN/checkpoints/step-000600 with `model.safetensors` (weights alone, what evaluation and
`init_from` read), `state/` (DeepSpeed's files of all ranks) and `checkpoint.json` (step, loader cursor, the run's
config, versions). It is written aside and renamed when every rank is done; RUN/checkpoints/latest names it last.
Killing a run at any moment leaves the previous checkpoint in charge.

RUN/checkpoints/best names the weights that scored best on the val split, in a folder best-000500 of the same shape
without `state/`: to evaluate, to answer with and to start from, not to go on from.
"""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn

from mcg import distributed
from mcg.strange_files import strange_kind
from mcg.text import TextCodec
from shards.json_text import load_json
from shards.printing import PrintableError

FORMAT = 1


class CheckpointError(PrintableError, ValueError):
    """A checkpoint that is missing, broken, or of another model or run."""


@dataclass(frozen=True)
class Checkpoint:
    """A finished checkpoint folder and what its checkpoint.json says."""

    folder: Path
    step: int
    cursor: dict[str, Any]
    config: dict[str, Any]
    vocabulary: str | None = None
    """Fingerprint of the vocabulary that it was trained with; None in converted weights and older checkpoints."""
    scored: tuple[str, float] | None = None
    """Of a best one: which number of the val split, and its value."""


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
        raise CheckpointError(f"{file}: not readable: {_why(file, error, is_json=True)}") from error


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


def save_checkpoint(
    run_dir: str | Path,
    engine: Any,
    cursor: dict[str, Any],
    config: dict[str, Any],
    keep: int,
    vocabulary: str | None = None,
) -> Path:
    """Save on all ranks together; returns the finished folder. Older ones beyond `keep` are removed afterwards."""
    facts = {"cursor": cursor, "config": config, "vocabulary": vocabulary}
    final = _save(Path(run_dir) / "checkpoints", "step", engine, facts, "latest")
    if distributed.rank() == 0:
        for old in _older(final.parent, engine.step)[:-keep]:
            shutil.rmtree(old)
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
                shutil.rmtree(old)
    distributed.barrier()
    return final


def remove_best(run_dir: str | Path) -> None:
    """Remove the best checkpoint of a run folder, if there is one; for one rank."""
    root = Path(run_dir) / "checkpoints"
    (root / "best").unlink(missing_ok=True)  # first: killed in between, nothing is named that is not whole
    for folder in root.glob("best-*"):
        shutil.rmtree(folder)


def _save(root: Path, kind: str, engine: Any, facts: dict[str, Any], pointer_name: str) -> Path:
    """Write a folder KIND-STEP aside, rename it when every rank is done, and point at it."""
    name = f"{kind}-{engine.step:06d}"
    aside, final = root / f".{name}", root / name
    first = distributed.rank() == 0
    if first:
        root.mkdir(parents=True, exist_ok=True)
        for leftover in root.glob(f".{kind}-*"):
            shutil.rmtree(leftover)
        aside.mkdir()
    distributed.barrier()
    if kind == "step":
        engine.save(aside)
    weights = engine.model_state()
    if first:
        # tied weights share memory, which safetensors refuses: keep one name of each; loading ties them again
        unique = {t.data_ptr(): (n, t) for n, t in reversed(list(weights.items()))}
        save_file({n: t.detach().cpu().contiguous() for n, t in unique.values()}, aside / "model.safetensors")
        facts = {
            "format": FORMAT,
            "step": engine.step,
            **facts,
            "torch": torch.__version__,
            "world_size": distributed.world_size(),
        }
        (aside / "checkpoint.json").write_text(json.dumps(facts, indent=1))
    distributed.barrier()
    if first:
        if final.exists():
            shutil.rmtree(final)
        os.replace(aside, final)
        pointer = root / f".{pointer_name}"
        pointer.write_text(name + "\n")
        os.replace(pointer, root / pointer_name)
    distributed.barrier()
    return final


def _older(root: Path, step: int) -> list[Path]:
    """Checkpoint folders up to a step, oldest first. Later ones, left by a user who went back, are not ours to drop."""
    numbered = [(int(folder.name.removeprefix("step-")), folder) for folder in root.glob("step-*")]
    return [folder for number, folder in sorted(numbered) if number <= step]


def read_weights(folder: Path, codec: TextCodec | None = None) -> dict[str, torch.Tensor]:
    """model.safetensors of a checkpoint. Raises CheckpointError where it is not readable, or was trained with other
    word pieces than the codec's: its embeddings would mean other words."""
    vocabulary = None if codec is None else find_checkpoint(folder).vocabulary
    if codec is not None and vocabulary not in (None, codec.fingerprint):
        raise CheckpointError(
            f"{folder}: trained with another vocabulary (fingerprint {vocabulary}) than {codec.file} "
            f"({codec.fingerprint}); set task.vocabulary to the vocab.txt that it was trained with"
        )
    file = folder / "model.safetensors"
    try:
        return load_file(file)
    except (OSError, SafetensorError) as error:
        raise CheckpointError(f"{file}: not readable: {_why(file, error)}") from error


def _why(file: Path, error: Exception, is_json: bool = False) -> str:
    kind = strange_kind(file, is_json)
    return f"{error!r}; copy the checkpoint again"[:1000] if kind is None else f"it is {kind}"


def load_weights(model: nn.Module, folder: Path, codec: TextCodec | None = None) -> list[str]:
    """Load model.safetensors of a checkpoint into a model; the names of parameters that the file does not have (a task
    may add parts) are returned. Raises CheckpointError as read_weights does, and when shapes or names show that it is
    another model's."""
    state, file = read_weights(folder, codec), folder / "model.safetensors"
    own = model.state_dict()
    unknown = sorted(set(state) - set(own))
    shapes = [
        f"{name} is {tuple(state[name].shape)} there and {tuple(own[name].shape)} here"
        for name in sorted(set(state) & set(own))
        if state[name].shape != own[name].shape
    ]
    if unknown or shapes:
        first = (shapes or [f"{unknown[0]} is unknown here"])[0]
        words = [name for name in own if name.endswith("word_embeddings.weight") and name in state]
        here, there = (tuple(t[words[0]].shape) if words else () for t in (own, state))
        remedy = "model.* as in the checkpoint's config"
        if here[1:] == there[1:] and here[:1] != there[:1]:
            first, remedy = f"{first}, which is the size of the vocabulary", "task.vocabulary to the checkpoint's"
        raise CheckpointError(
            f"{file}: weights of another model: {first} ({len(shapes)} shapes and {len(unknown)} names differ); set "
            f"{remedy}"
        )
    have = {own[name].data_ptr() for name in state}
    model.load_state_dict(state, strict=False)
    return sorted(name for name, tensor in own.items() if tensor.data_ptr() not in have)
