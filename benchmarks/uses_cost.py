"""What several uses cost a step on the host: choosing the use and its objectives, 10,000 times, alone.

    python benchmarks/uses_cost.py

A run of 13 uses: the look-up of the step's use, of its objectives and of the name for the log, and for each sample the
look-up of its task. The bar: at most 0.2 ms a step. Results: docs/results.md.
"""

from __future__ import annotations

import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np

from mcg.config import RunConfig, load_config
from mcg.engine.step_uses import StepUse, StepUses
from mcg.objectives.bundle import Bundle
from mcg.text import open_texts
from mcg.uses import Uses
from shards import Batch, Origin

USES, CALLS, SAMPLES = 13, 10_000, 24
ROOT = Path(__file__).resolve().parents[1]


def _config() -> RunConfig:
    """The demo's pre-training as 13 uses of datasets of their own."""
    tree = load_config(ROOT / "configs/demo/pt.yaml").model_dump(mode="json")
    uses = {}
    for number in range(USES):
        own = {"name": f"set{number}", "path": f"data{number}/train"}
        train = {**tree["data"]["train"], "blend": [own]}
        uses[f"use{number}"] = {"task": tree["task"], "objectives": tree["objectives"], "train": train}
    return RunConfig.model_validate({**tree, "task": None, "objectives": None, "data": None, "uses": uses})


def main() -> None:
    config = _config()
    texts = open_texts(config.model)
    uses = Uses(config, texts)
    bundle: Bundle = uses.bundle(config.model.build(texts))
    chosen = StepUses(uses.of_datasets(), StepUse(None, 1))
    origin = Origin("set0", "000000.tar", "0")
    arrays = np.ones(SAMPLES, bool)
    batches = [Batch(arrays, {}, [], [origin] * SAMPLES, arrays, f"set{n}", []) for n in range(USES)]
    start = time.process_time()
    for number in range(CALLS):
        batch = batches[number % USES]
        use, _ = chosen.of([batch])
        bundle._of(use)
        uses.use_of(batch.dataset)
    step = (time.process_time() - start) / CALLS
    sample = SimpleNamespace(origin=origin)
    for name, task in uses.tasks.items():
        uses._encoders[f"set{name.removeprefix('use')}"] = lambda sample, rng, task=task: task
    start = time.process_time()
    for _ in range(CALLS):
        uses.encode(sample, None)  # type: ignore[arg-type]
    each = (time.process_time() - start) / CALLS
    print(f"a step: {1e6 * step:.2f} us; a sample: {1e6 * each:.2f} us; a step of {SAMPLES} samples: ", end="")
    print(f"{1e3 * (step + SAMPLES * each):.4f} ms (at most 0.2)")


if __name__ == "__main__":
    main()
