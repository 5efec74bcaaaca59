"""A real engine of one process around the small model, and batches for it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mcg.engine.config import EngineConfig, OptimConfig
from mcg.engine.deepspeed import Engine
from mcg.engine.saving import save_checkpoint
from mcg.engine.schedule import Duration, Schedule, ScheduleConfig
from mcg.engine.store.contents import write_contents
from mcg.objectives.bundle import Bundle
from mcg.objectives.config import ObjectivesConfig
from shards import Batch, Origin
from tests.mcg.small_model import make_inputs, make_model, text_config

CURSOR = {"q": [3, 1], "positions": [24, 8], "seed": 0}
TIED = ("decoder.bert.bert.embeddings.word_embeddings.weight", "decoder.bert.cls.predictions.decoder.weight")

OBJECTIVES: Mapping[str, Any] = {"contrastive": {}, "token_contrast": {}, "masked_lm": {}, "generation": {}}
OPTIM = OptimConfig(lr=0.01, weight_decay=0.1)


def make_bundle(seed: int = 0, dropout: float = 0.1) -> Bundle:
    model = make_model(seed=seed, text=text_config(dropout=dropout))
    return Bundle(model, ObjectivesConfig.model_validate(OBJECTIVES).build())


def make_schedule(steps: int = 10) -> Schedule:
    return Schedule(ScheduleConfig(length=Duration(steps=steps), warmup=Duration(steps=2)), 4, 100)


def make_engine(
    device: torch.device, seed: int = 0, bundle: Bundle | None = None, optim: OptimConfig = OPTIM, **fields: Any
) -> Engine:
    config = EngineConfig.model_validate(fields)
    return Engine(bundle or make_bundle(seed), config, optim, make_schedule(), 4, seed, device)


def make_batch(seed: int = 0) -> Batch:
    return split_batch(4, seed, 0, 1)


def split_batch(size: int, seed: int, rank: int, world: int) -> Batch:
    """A rank's part of a global batch."""
    share = size // world
    own = slice(rank * share, (rank + 1) * share)
    inputs = make_inputs(size, seed=seed)
    arrays = {name: array.numpy()[own] for name, array in inputs.items() if name != "frames"}
    origins = [Origin("shapes", "000002.tar", f"clip{i}") for i in range(size)][own]
    return Batch(inputs["frames"].numpy()[own], arrays, [{}] * share, origins, np.ones(share, bool), "shapes", [])


def weights(engine: Engine) -> dict[str, Tensor]:
    return {name: p.detach().clone() for name, p in engine.bundle.named_parameters()}


def save(run: Path, engine: Engine, step: int, keep: int = 2) -> Path:
    """A checkpoint at a step. Returns its folder."""
    engine.step = step
    return save_checkpoint(run, engine, CURSOR, {"run_dir": "r"}, keep)


def save_state(engine: Engine, folder: Path) -> None:
    """The training state alone."""
    write_contents(folder, engine.state())


def save_as_before(engine: Engine, folder: Path) -> None:
    """The training state as older versions saved it: by DeepSpeed."""
    engine._engine.save_checkpoint(str(folder), tag="state", save_latest=False)


def names(run: Path) -> set[str]:
    """The entries of a run's folder of checkpoints."""
    return {path.name for path in (run / "checkpoints").iterdir()}
