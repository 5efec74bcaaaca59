"""Writing of checkpoints, each whole or absent.

A checkpoint is written aside and renamed when every rank is done; RUN/checkpoints/latest names it last. Killing a run
at any moment leaves the previous checkpoint in charge.
"""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from mcg import distributed
from mcg.engine.checkpoint import FORMAT


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
    """Checkpoint folders up to a step, oldest first. Later ones are left by a user who went back, and are kept."""
    numbered = [(int(folder.name.removeprefix("step-")), folder) for folder in root.glob("step-*")]
    return [folder for number, folder in sorted(numbered) if number <= step]
