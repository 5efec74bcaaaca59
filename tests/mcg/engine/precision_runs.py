"""Runs of the small model in every precision and ZeRO stage, one after the other in the processes of one start.

    python -m tests.mcg.engine.precision_runs OUT     as torchrun starts it, on every rank; rank 0 writes OUT

OUT is JSON: the losses of some steps, by the settings of a run. Any two values of two settings meet in some run of any
number of ranks, four ranks excepted, which take stages 1 and 3 alone: the whole product takes two minutes a rank.
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
from tests.mcg.engine.small_engine import OPTIM, make_bundle, make_schedule, split_batch

BATCH_SIZE, STEPS, STEPS_ON_RANKS = 8, 10, 8
Setting = tuple[str, int, int, bool]
"""Precision, ZeRO stage, batches of a step, checkpointing of activations."""


PAIRWISE: list[Setting] = [
    ("fp32", 0, 2, True),
    ("fp32", 1, 1, True),
    ("fp32", 2, 2, False),
    ("fp32", 3, 2, True),
    ("bf16", 0, 1, False),
    ("bf16", 1, 2, False),
    ("bf16", 2, 1, True),
    ("bf16", 3, 1, False),
]
"""The runs of one and of two ranks."""
FOUR_RANKS: list[Setting] = [("fp32", 3, 2, True), ("bf16", 1, 2, True)]


def losses_of(setting: Setting, device: torch.device, steps: int = STEPS) -> list[float]:
    """The total losses of a run's steps, each the mean over the batches of the step and the ranks."""
    engine = make_run(setting, device)
    accumulation = setting[2]
    found = []
    for step in range(steps):
        group = [_own_part(step * accumulation + place) for place in range(accumulation)]
        found.append(engine.train_step(group)["total"])
    engine.close()
    return found


def make_run(setting: Setting, device: torch.device) -> Engine:
    """The engine of a run; fp16 begins with a scale at which nothing overflows."""
    precision, stage, accumulation, checkpointing = setting
    bundle = make_bundle(seed=3, dropout=0.0)
    bundle.model.checkpoint_activations(checkpointing)
    fields: dict[str, Any] = {"precision": precision, "zero_stage": stage, "accumulation_steps": accumulation}
    if precision == "fp16":
        fields["deepspeed"] = {"fp16": {"initial_scale_power": 6}}
    return Engine(bundle, EngineConfig.model_validate(fields), OPTIM, make_schedule(40), BATCH_SIZE, 0, device)


def compute_fp16() -> None:
    """Have DeepSpeed take this CPU for one that computes fp16: torch does, slowly."""
    from deepspeed.accelerator import get_accelerator

    get_accelerator().is_fp16_supported = lambda: True


def _own_part(number: int) -> Any:
    return split_batch(BATCH_SIZE, number, distributed.rank(), distributed.world_size())


def main(out: Path) -> None:
    torch.set_num_threads(1)
    device = start_distributed()
    runs = FOUR_RANKS if distributed.world_size() == 4 else PAIRWISE
    found = [[setting, losses_of(setting, device, STEPS_ON_RANKS)] for setting in runs]
    if distributed.rank() == 0:
        out.write_text(json.dumps(found))
    stop_distributed()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
