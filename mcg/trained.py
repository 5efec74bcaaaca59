"""The model of a checkpoint, whole: to score it and to answer with it."""

from __future__ import annotations

from mcg.engine.checkpoint import Checkpoint, CheckpointError
from mcg.engine.weights import load_weights
from mcg.model.config import ModelConfig
from mcg.model.model import Model
from mcg.tasks.task import Task


def trained_model(checkpoint: Checkpoint, task: Task, config: ModelConfig) -> Model:
    """On the CPU. Raises CheckpointError where the checkpoint lacks any weight or is of another model, ValueError where
    the model lacks what the task asks of it."""
    task.check_model(config)
    model = config.build(task.texts.size)
    missing = load_weights(model, checkpoint.folder, task.texts)
    if missing:
        raise CheckpointError(f"{checkpoint.folder}: lacks {len(missing)} weights of this model, e.g. {missing[0]}")
    return model
