"""What does a contrast over several micro-batches (engine.contrastive_batch) cost in memory and time?

    PYTHONPATH=. python benchmarks/contrast_cache.py [--micro 32] [--count 4] [--rounds 3] [--matching] [a.b=c ...]

Steps of the engine (ZeRO 0, one process, one thread) on the model and the objectives of configs/demo/pt.yaml with
random clips and texts of 16 tokens, in fresh processes:

micro     COUNT micro-batches of MICRO, each a contrast by itself: what the memory is compared with
cached    the same with one contrast over all of them
whole     one batch of MICRO x COUNT, where it fits
again     with --matching, which adds matching to the objectives of all: cached, with negatives from the whole contrast,
          which are encoded again

`above_mb` is the peak of resident memory above that with model, engine and batches and before the first step: weights'
gradients, the optimiser's state and activations. `step_ms` and `cpu_ms` are a step, the median of five after one.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from harness import compare

from mcg.config import load_config
from mcg.engine.deepspeed import Engine, start_distributed
from mcg.engine.schedule import Schedule
from mcg.objectives.bundle import Bundle
from mcg.text import open_texts
from shards import Batch, Origin

CONFIG = "configs/demo/pt.yaml"
TOKENS, STEPS = 16, 5


def make_batch(size: int, frames: int, side: int, seed: int) -> Batch:
    """Random clips, and texts of TOKENS words with two masked ones."""
    g = np.random.default_rng(seed)
    ids = g.integers(200, 400, (size, TOKENS))
    labels = np.full_like(ids, -100)
    labels[:, 3:5] = ids[:, 3:5]
    arrays = {
        "text_ids": ids,
        "text_mask": np.ones_like(ids),
        "text_words": np.tile(np.arange(TOKENS), (size, 1)),
        "masked_ids": np.where(labels == -100, ids, 103),
        "masked_mask": np.ones_like(ids),
        "masked_labels": labels,
        "answer_ids": ids,
        "answer_mask": np.ones_like(ids),
    }
    origins = [Origin("random", "none", str(i)) for i in range(size)]
    clips = g.integers(0, 256, (size, frames, side, side, 3), dtype=np.uint8)
    return Batch(clips, arrays, [{}] * size, origins, np.ones(size, bool), "random", [])


def measure(case: str, micro: int, count: int, overrides: list[str]) -> dict[str, float]:
    """Steps in this process."""
    torch.set_num_threads(1)
    whole = case == "whole"
    size, accumulation = (micro * count, 1) if whole else (micro, count)
    given = [f"data.train.batch_size={size}", f"engine.accumulation_steps={accumulation}"]
    given += [f"engine.contrastive_batch={micro * count}"] if case in ("cached", "again") else []
    given += ["objectives.matching.negatives_from=contrastive_batch"] if case == "again" else []
    run = load_config(CONFIG, [*given, *overrides])
    device = start_distributed()
    torch.manual_seed(0)
    model = run.model.build(open_texts(run.model))
    model.checkpoint_activations(run.engine.activation_checkpointing)
    bundle = Bundle(model, run.objectives.build())
    schedule = Schedule(run.schedule, micro * count, 100_000)
    engine = Engine(bundle, run.engine, run.optim, schedule, size, 0, device)
    clip = run.task.clip
    batches = [make_batch(size, clip.num_frames, clip.size, seed) for seed in range(accumulation)]
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
    before, wall, cpu = memory("VmRSS"), [], []
    for _ in range(1 + STEPS):
        started, burnt = time.perf_counter(), time.process_time()
        engine.train_step(batches)
        wall.append(time.perf_counter() - started)
        cpu.append(time.process_time() - burnt)
    return {
        "above_mb": (memory("VmHWM") - before) / 1e6,
        "step_ms": 1e3 * statistics.median(wall[1:]),
        "cpu_ms": 1e3 * statistics.median(cpu[1:]),
    }


def pad(batch: Batch, tokens: int) -> Batch:
    """The batch with texts as long as this, the rest of which is padding."""
    longer = {
        name: np.pad(array, ((0, 0), (0, tokens - array.shape[1])), constant_values=-100 if "labels" in name else 0)
        for name, array in batch.arrays.items()
    }
    return replace(batch, arrays=longer)


def memory(name: str) -> int:
    """Bytes of this process, by the kernel."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(1024 * int(line.split()[1]) for line in lines if line.startswith(name))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--micro", type=int, default=32)
    parser.add_argument("--count", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--matching", action="store_true")
    parser.add_argument("--case", help=argparse.SUPPRESS)
    parser.add_argument("overrides", nargs="*", help="a.b=c over the config")
    chosen = parser.parse_args()
    if chosen.case:
        print(json.dumps(measure(chosen.case, chosen.micro, chosen.count, chosen.overrides)))
        return
    matching = ["model.matching_head=true", "objectives.matching.weight=1"] if chosen.matching else []
    sizes = ["--micro", str(chosen.micro), "--count", str(chosen.count), *chosen.overrides, *matching]
    names = ["micro", "cached", "whole", *(["again"] if matching else [])]
    cases = {case: [case, *sizes] for case in names}
    title = f"contrast over {chosen.count} micro-batches of {chosen.micro}"
    found = compare(title, __file__, cases, chosen.rounds)["cases"]
    for name in ("above_mb", "step_ms", "cpu_ms"):
        print(f"{name}: cached {found['cached'][name]['median'] / found['micro'][name]['median']:.2f} times micro")
        if matching:
            print(f"{name}: again {found['again'][name]['median'] / found['cached'][name]['median']:.2f} times cached")


if __name__ == "__main__":
    main()
