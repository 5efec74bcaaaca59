"""A checkpoint folder of a small question model, written without training."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from torch import Tensor

from mcg.config import RunConfig
from mcg.engine.saving import describe, point_at, untied
from mcg.engine.store.integrity import from_json
from mcg.engine.store.tensor_file import write_tensors
from mcg.text import open_texts

TASK: dict[str, Any] = {"name": "open_qa", "clip": {"num_frames": 2, "size": 32}, "max_answer_tokens": 5}


def run_config(
    run_dir: Path, num_classes: int | None = None, vocabulary: str | None = None, **fields: Any
) -> RunConfig:
    """A run of the smallest model that fits the package's vocabulary."""
    vision = {"image_size": 32, "num_frames": 2, "width": 16, "depth": 1, "num_heads": 2, "init_std": 0.3}
    text = {"width": 16, "num_layers": 1, "num_heads": 2, "num_decoder_layers": 1, "max_positions": 32, "init_std": 0.3}
    words = {} if vocabulary is None else {"vocabulary": vocabulary}
    settings: dict[str, Any] = {
        "run_dir": str(run_dir),
        "task": TASK,
        "model": {"vision": vision, "text": text, "contrastive_width": 8, "num_classes": num_classes} | words,
        "objectives": {"generation": {}},
        "data": {"train": {"batch_size": 4, "blend": [{"name": "gray", "path": "nowhere"}]}},
        "schedule": {"length": {"steps": 1}},
    }
    return RunConfig.model_validate(settings | fields)


def write_checkpoint(run_config: RunConfig, name: str = "step-000001", **facts: Any) -> Path:
    """RUN/checkpoints/NAME with fresh weights, which RUN/checkpoints/latest names; the run folder. facts: over those of
    checkpoint.json."""
    texts = open_texts(run_config.model)
    run = Path(run_config.run_dir)
    folder = run / "checkpoints" / name
    folder.mkdir(parents=True)
    state = run_config.model.build(texts).state_dict()
    files = {"model.safetensors": write_tensors(folder / "model.safetensors", untied(state))}
    written = {
        "step": 1,
        "cursor": {},
        "config": run_config.model_dump(mode="json"),
        "vocabulary": texts.fingerprint,
        **facts,
    }
    describe(folder, written, files)
    point_at(folder.parent, "latest", name)
    return run


def change(folder: Path, weights: dict[str, Tensor] | None = None, **facts: Any) -> None:
    """Write the description of a checkpoint folder anew with other facts, and with other weights if some are given."""
    stored = json.loads((folder / "checkpoint.json").read_text())
    files = from_json(stored["files"])
    if weights is not None:
        (folder / "model.safetensors").unlink()
        files = {**files, "model.safetensors": write_tensors(folder / "model.safetensors", weights)}
    kept = {name: value for name, value in stored.items() if name not in ("checksum", "files", "format", "torch")}
    describe(folder, {**kept, **facts}, files)
