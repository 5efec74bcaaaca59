"""One part of a run on some ranks: python -m tests.mcg.engine.store.rank_run RUN ENGINE STEPS

As torchrun starts it, on every rank. RUN: its folder; the part goes on from its last checkpoint if there is one.
ENGINE: fields of EngineConfig as JSON. The batch of a step is a function of the step; each rank takes its share of it.
Rank 0 adds a line of JSON for each step to RUN/curve.jsonl: step, losses.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import torch

from mcg import distributed
from mcg.engine.config import EngineConfig
from mcg.engine.deepspeed import Engine, start_distributed, stop_distributed
from mcg.engine.saving import save_checkpoint
from mcg.engine.store.resume import resume_point
from shards import Batch
from tests.mcg.engine.small_engine import OPTIM, make_bundle, make_schedule, split_batch

BATCH_SIZE = 8


def own_part(step: int) -> Batch:
    """This rank's share of the batch of a step."""
    return split_batch(BATCH_SIZE, step, distributed.rank(), distributed.world_size())


def make_part(engine_fields: dict[str, Any], device: torch.device) -> Engine:
    """The engine of a part."""
    bundle = make_bundle(seed=3, dropout=0.0)
    config = EngineConfig.model_validate(engine_fields)
    return Engine(bundle, config, OPTIM, make_schedule(40), BATCH_SIZE, 0, device)


def main(run: Path, engine_fields: dict[str, Any], steps: int) -> None:
    torch.set_num_threads(1)
    engine = make_part(engine_fields, start_distributed())
    checkpoint = resume_point(run)
    if checkpoint is not None:
        engine.load(checkpoint.folder, checkpoint.step)
    with open(run / "curve.jsonl" if distributed.rank() == 0 else "/dev/null", "a") as curve:
        for _ in range(steps):
            losses = engine.train_step([own_part(engine.step)])
            curve.write(json.dumps({"step": engine.step, **losses}) + "\n")
    save_checkpoint(run, engine, {"next": engine.step}, {}, 2)
    engine.close()
    stop_distributed()


if __name__ == "__main__":
    main(Path(sys.argv[1]), json.loads(sys.argv[2]), int(sys.argv[3]))
