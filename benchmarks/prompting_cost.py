"""What does entity prompting add to a step of ALPRO's pre-training?

    PYTHONPATH=. python benchmarks/prompting_cost.py [--pairs 40] [--batch 16]

Steps of configs/alpro/pt.yaml with its four losses beside the same without entity prompting. The features of prompts
are made once a run and are no part of a step.

counted     operations while the passes run at base size, with two random clips and texts of 30 tokens. A backward pass
            takes twice those of the forward pass; the prompter has none. Wanted: at most 1.30 times.
measured    steps of two engines at the demo's size (ZeRO 0, fp32, one thread) on random clips and texts of 16 tokens,
            in one process and in turns, either first as often. The ratio is the median over pairs of steps. Wanted: at
            most 1.35 times in CPU seconds.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time

import torch
from contrast_cache import TOKENS, make_batch, pad
from harness import machine
from rich.console import Console
from rich.table import Table

from mcg.config import RunConfig, load_config
from mcg.engine.deepspeed import Engine, start_distributed
from mcg.engine.flops import BACKWARD, forward_flops
from mcg.engine.schedule import Schedule
from mcg.engine.tensors import to_tensors
from mcg.model.parts.prompter import Prompter
from mcg.objectives.bundle import Bundle
from mcg.objectives.entity_prompting import EntityPrompting
from mcg.text import open_texts

CONFIG, PROMPTER = "configs/alpro/pt.yaml", "configs/alpro/pt_prompter.yaml"
BASE_TOKENS = 30
MOST_COUNTED, MOST_MEASURED = 1.30, 1.35
ENCODERS = [
    *("task.clip.size=64", "task.clip.resize=72", "model.vocabulary=configs/demo/vocab.txt"),
    *(f"model.vision.{setting}" for setting in ("image_size=64", "width=128", "depth=3", "num_heads=4")),
    *(f"model.text.{setting}" for setting in ("width=128", "num_heads=4", "max_positions=64")),
    *("model.contrastive_width=64", "engine.zero_stage=0", "engine.precision=fp32"),
]
SMALL = [*ENCODERS, "model.text.num_layers=4", "model.text.num_fusion_layers=2"]
SMALL_PROMPTER = [*ENCODERS, "model.text.num_layers=2"]
WITHOUT = ["objectives.entity_prompting=null", "model.num_entities=null"]


def make_bundle(run: RunConfig, prompter: RunConfig) -> tuple[Bundle, Prompter | None]:
    """Model and losses with random weights, and the prompter where the losses have one, with random features."""
    torch.manual_seed(0)
    bundle = Bundle(run.model.build(open_texts(run.model).size), run.objectives.build())
    if run.objectives.entity_prompting is None:
        return bundle, None
    objective = bundle.objectives["entity_prompting"]
    assert isinstance(objective, EntityPrompting)
    model = prompter.model.build(open_texts(prompter.model).size)
    features = torch.randn(run.objectives.entity_prompting.num_entities, prompter.model.contrastive_width)
    frozen = Prompter(model, features, features.flip(0))
    objective.teach_with(frozen)
    return bundle, frozen


def counted() -> dict[str, float]:
    """10^9 operations of a sample at base size: of a step without and with prompting, and of the parts between."""
    run, prompter = load_config(CONFIG), load_config(PROMPTER)
    bundle, frozen = make_bundle(run, prompter)
    assert frozen is not None
    clip = run.task.clip
    batch = pad(make_batch(2, clip.num_frames, clip.size, 0), BASE_TOKENS)
    batch.arrays["text_mask"][:] = 1
    inputs = to_tensors(batch, torch.device("cpu"))
    bundle.eval()
    whole = forward_flops(lambda: bundle(inputs, 0)) / 2e9
    own = forward_flops(lambda: frozen.label(inputs["frames"][:1], torch.zeros(1, dtype=torch.bool))) / 1e9
    head = forward_flops(lambda: bundle.model.entity_logits(torch.zeros(1, run.model.text.width))) / 1e9
    without = (whole - own - head) * (1 + BACKWARD)
    added = own + head * (1 + BACKWARD)
    return {"without": without, "prompter": own, "head": head, "with": without + added, "ratio": 1 + added / without}


def measured(pairs: int, batch_size: int) -> dict[str, dict[str, float]]:
    """Seconds of steps at small size without and with prompting, medians, and the median of the ratios of pairs."""
    device, engines = start_distributed(), {}
    for name, more in (("without", WITHOUT), ("with", [])):
        size = f"data.train.batch_size={batch_size}"
        run = load_config(CONFIG, [*SMALL, size, *more])
        bundle, _ = make_bundle(run, load_config(PROMPTER, SMALL_PROMPTER))
        schedule = Schedule(run.schedule, batch_size, 100_000)
        engines[name] = Engine(bundle, run.engine, run.optim, schedule, batch_size, 0, device)
    clip = run.task.clip
    batches = [make_batch(batch_size, clip.num_frames, clip.size, seed) for seed in range(8)]
    found: dict[str, dict[str, list[float]]] = {clock: {name: [] for name in engines} for clock in ("cpu", "wall")}
    for number in range(3 + pairs):
        for name in list(engines)[:: 1 if number % 2 else -1]:
            started, burnt = time.perf_counter(), time.process_time()
            engines[name].train_step([batches[number % len(batches)]])
            if number >= 3:
                found["wall"][name].append(time.perf_counter() - started)
                found["cpu"][name].append(time.process_time() - burnt)
    return {
        clock: {
            **{f"{name}_ms": 1e3 * statistics.median(times) for name, times in of.items()},
            "ratio": statistics.median(b / a for a, b in zip(of["without"], of["with"], strict=True)),
        }
        for clock, of in found.items()
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=40, help="steps of each engine that are timed")
    parser.add_argument("--batch", type=int, default=16, help="clips of a step that is timed")
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    operations, times = counted(), measured(chosen.pairs, chosen.batch)
    table = Table("a step", "without", "with", "ratio", "wanted", title="entity prompting")
    gflop = [f"{operations[name]:.0f}" for name in ("without", "with")]
    table.add_row("GFLOP a sample, base size", *gflop, f"{operations['ratio']:.3f}", f"<= {MOST_COUNTED:.2f}")
    for clock, of in times.items():
        wanted = f"<= {MOST_MEASURED:.2f}" if clock == "cpu" else ""
        row = [f"{of[f'{name}_ms']:.1f}" for name in ("without", "with")]
        table.add_row(f"{clock} ms, small size, batch {chosen.batch}", *row, f"{of['ratio']:.3f}", wanted)
    Console().print(table)
    told = {"operations": operations, **times, "tokens": TOKENS, "pairs": chosen.pairs}
    print(json.dumps({"benchmark": "prompting_cost", "machine": machine(), **told}))


if __name__ == "__main__":
    main()
