"""Runs of the small model in every precision and ZeRO stage, one after the other in the processes of one start.

    python -m tests.mcg.engine.precision_runs OUT     as torchrun starts it, on every rank; rank 0 writes OUT

OUT is JSON: the losses of every step, by the settings of a run. On two ranks all are made, in 140 s on two cores; on
one and on four, to save time, a part of them.
"""

from __future__ import annotations

import itertools
import json
import sys
from pathlib import Path
from typing import Any

import torch

from mcg import distributed
from mcg.engine.config import EngineConfig
from mcg.engine.deepspeed import Engine, start_distributed, stop_distributed
from tests.mcg.engine.small_engine import OPTIM, make_bundle, make_schedule, split_batch

BATCH_SIZE, STEPS = 8, 20
Setting = tuple[str, int, int, bool]
"""Precision, ZeRO stage, batches of a step, checkpointing of activations."""


def settings_of(world: int) -> list[Setting]:
    """The runs to make on so many ranks."""
    whole = itertools.product(("fp32", "bf16"), (0, 1, 2, 3), (1, 2), (False, True))
    if world == 4:
        return [setting for setting in whole if setting[1] in (1, 3) and setting[2:] == (2, True)]
    return [setting for setting in whole if world == 2 or setting[2:] in ((1, False), (2, True))]


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
    found = [[setting, losses_of(setting, device)] for setting in settings_of(distributed.world_size())]
    if distributed.rank() == 0:
        out.write_text(json.dumps(found))
    stop_distributed()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
