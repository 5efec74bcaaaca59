"""The model of a checkpoint, whole, and its settings: to score it, to answer and to search with it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch

from mcg.config import RunConfig, load_config, load_stored
from mcg.engine.checkpoint import Checkpoint, CheckpointError, Selection, find_checkpoint
from mcg.engine.weights import load_weights
from mcg.model.config import ModelConfig
from mcg.model.model import Model
from mcg.tasks.task import Task
from mcg.text import open_texts
from shards.base import ConfigError


def trained_model(checkpoint: Checkpoint, task: Task, config: ModelConfig) -> Model:
    """On the CPU. Raises CheckpointError where the checkpoint lacks any weight or is of another model, ValueError where
    the model lacks what the task asks of it."""
    task.check_model(config)
    stored = checkpoint.config.get("model")
    completed = task.completed(config).with_heads_of(stored if isinstance(stored, dict) else {})
    model = completed.build(task.texts)
    missing = load_weights(model, checkpoint.folder, task.texts)
    if missing:
        raise CheckpointError(f"{checkpoint.folder}: lacks {len(missing)} weights of this model, e.g. {missing[0]}")
    return model


def stored_settings(
    checkpoint: Checkpoint, config: str | Path | None, overrides: Sequence[str] = (), use: str | None = None
) -> RunConfig:
    """The config to use a checkpoint by: its own, or a file's with overrides. use: which one, of a run of several.
    Raises ConfigError, UsageError."""
    if config is not None:
        return load_config(config, overrides).of_use(use)
    if overrides:
        raise ConfigError(
            f"{overrides[0]!r}: overrides change the file of --config, and none is given; name the config of the run "
            "(--config configs/ft_msrvtt_qa.yaml)"
        )
    where = str(checkpoint.folder / "checkpoint.json")
    if not checkpoint.config.get("task") and not checkpoint.config.get("uses"):
        raise ConfigError(
            f"{where}: says what model it is but not how it is asked, as converted weights do; name the config of its "
            "task (--config configs/ft_msrvtt_qa.yaml)"
        )
    return load_stored(checkpoint.config, where, ("task", "model")).of_use(use)


class _Ready(NamedTuple):
    task: Any
    model: Model
    device: torch.device
    settings: RunConfig


def ready(
    checkpoint: str | Path,
    tasks: Sequence[str],
    lacks: str,
    *,
    config: str | Path | None = None,
    select: Selection = "latest",
    overrides: Sequence[str] = (),
    device: str | torch.device | None = None,
    use: str | None = None,
) -> _Ready:
    """The task and model of a checkpoint or run folder for use without scores, by its own config unless another is
    given, and the device to use: the GPU where there is one. tasks: those that can be used so; lacks: what another one
    does not do; use: which one, of a run of several. Raises CheckpointError, ConfigError, ValueError."""
    found = find_checkpoint(checkpoint, select)
    settings = stored_settings(found, config, overrides, use)
    if settings.task.name not in tasks:
        raise ValueError(
            f"{found.folder}: its task is {settings.task.name!r}, which {lacks}; name a checkpoint that was fine-tuned "
            f"with {' or '.join(tasks)}, or the config of such a task"
        )
    task = settings.task.unscored().build(open_texts(settings.model))
    model = trained_model(found, task, settings.model)
    return _Ready(task, model, torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu")), settings)
