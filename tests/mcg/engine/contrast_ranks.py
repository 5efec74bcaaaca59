"""What two ranks tell of steps with contrastive batches of several micro-batches, in every ZeRO stage.

Of ZeRO 3 every weight is gathered for every pass of its layer, as of a large model.
"""

from __future__ import annotations

import json
import os
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist

from mcg import distributed
from mcg.engine.config import EngineConfig
from mcg.engine.deepspeed import Engine, start_distributed
from mcg.launch.ranks import Place
from mcg.objectives.bundle import Bundle
from mcg.objectives.config import ObjectivesConfig
from tests.mcg.engine.small_engine import OPTIM, make_schedule, split_batch
from tests.mcg.small_model import make_model

MICRO_BATCH, ACCUMULATION, STEPS = 4, 4, 3
OBJECTIVES = {"contrastive": {}, "matching": {"negatives_from": "contrastive_batch"}}
NOTHING_KEPT = {
    "stage3_param_persistence_threshold": 0,
    "stage3_max_live_parameters": 0,
    "stage3_max_reuse_distance": 0,
}


def steps_of(zero_stage: int, checkpointing: bool, device: torch.device) -> list[dict[str, float]]:
    """Two contrastive batches in each step."""
    model = make_model(matching_head=True)
    model.checkpoint_activations(checkpointing)
    bundle = Bundle(model, ObjectivesConfig.model_validate(OBJECTIVES).build())
    fields: dict[str, Any] = {"zero_stage": zero_stage, "accumulation_steps": ACCUMULATION}
    if zero_stage == 3:
        fields["deepspeed"] = {"zero_optimization": NOTHING_KEPT}
    config = EngineConfig.model_validate({**fields, "contrastive_batch": 2 * MICRO_BATCH})
    engine = Engine(bundle, config, OPTIM, make_schedule(), MICRO_BATCH, 0, device)
    rank, world = distributed.rank(), distributed.world_size()
    steps = [
        [split_batch(MICRO_BATCH, ACCUMULATION * step + i, rank, world) for i in range(ACCUMULATION)]
        for step in range(STEPS)
    ]
    told = [engine.train_step(batches) for batches in steps]
    engine.close()
    return told


def run_rank(rank: int, folder: str) -> None:
    """One of two ranks; the meeting point is a file, so no port is taken. Writes FOLDER/RANK.json: the steps of each
    ZeRO stage, activations checkpointed in those with odd numbers."""
    os.environ |= Place(rank, 2, rank).to_environment()
    meeting = f"file://{folder}/meeting"
    dist.init_process_group("gloo", init_method=meeting, rank=rank, world_size=2, timeout=timedelta(seconds=120))
    try:
        device = start_distributed()
        found = [steps_of(stage, stage % 2 == 1, device) for stage in range(4)]
        (Path(folder) / f"{rank}.json").write_text(json.dumps(found))
    finally:
        dist.destroy_process_group()
