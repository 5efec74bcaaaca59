"""What does a training step cost, by part, beside a bare torch loop and the released form of the model?

    PYTHONPATH=. python benchmarks/bench_step.py [--config configs/demo/pt.yaml] [--batch 32] [--rounds 3] [a.b=c ...]

Steps on the model and objectives of a config with random clips and texts of 16 tokens, in fresh processes, on a GPU if
there is one:

engine          as train.py trains: ZeRO 0, fp32
bare            the same model, losses, clipping and fused AdamW in a loop of torch alone
released        as the release computes them: attention matrices kept, texts padded to 30 tokens, logits of 30,522 words
                at every place, contrasts with a text pass of their own, AdamW one tensor at a time
checkpointing   engine.activation_checkpointing
cached          two halves of the batch in one contrast (engine.contrastive_batch)
compiled        engine.compile
bf16, fp16      engine.precision (fp16 with ZeRO 1, on a GPU)

`step_ms` and `cpu_ms` are the median of STEPS steps after WARM ones; forward, backward and update are those of further
steps, between which a GPU is waited for. `gflop` is counted while the engine runs (mcg/engine/flops.py; a loop of torch
is counted alike), by part in benchmarks/flops.py. `mfu` is its share of the device's peak: of a GPU that of its data
sheet, of a CPU what a product of two matrices of 1,024 x 1,024 reaches in the same process. `above_mb` is the peak of
memory above that before the first step. Last line: how long a line of the log takes.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from contrast_cache import make_batch, memory, pad
from harness import compare
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.attention import SDPBackend, sdpa_kernel

from mcg.config import RunConfig, load_config
from mcg.engine import deepspeed as engine_module
from mcg.engine.deepspeed import Engine, start_distributed
from mcg.engine.flops import forward_flops, peak_flops
from mcg.engine.optim import build_optimizer
from mcg.engine.record.log import RunLog
from mcg.engine.schedule import Schedule
from mcg.engine.tensors import to_tensors
from mcg.objectives.bundle import Bundle
from mcg.objectives.generation import Generation
from mcg.objectives.masked_lm import MaskedLM
from mcg.objectives.states import States
from mcg.text import open_texts
from shards import Batch
from shards.loader import Snapshot, StepTime
from shards.loader.snapshot import STAGES
from shards.loader.times import Times

WARM, STEPS, PARTS = 4, 7, 3
RELEASED_TOKENS = 30


class _LogitsEverywhere(MaskedLM):
    def forward(self, states: States) -> Tensor:
        masked = states.model.encode_text(states["masked_ids"], states["masked_mask"].bool())
        logits_BLK = states.model.token_logits(states.model.fuse(masked, states.video).text_BLD)
        labels_BL = states["masked_labels"].masked_fill(~states["masked_mask"].bool(), -100)
        return functional.cross_entropy(logits_BLK.flatten(0, 1), labels_BL.flatten())


class _AnswersEverywhere(Generation):
    def forward(self, states: States) -> Tensor:
        ids_BA, mask_BA = states["answer_ids"], states["answer_mask"].bool()
        logits_BAK = states.model.answer_logits(states.model.decode(ids_BA[:, :-1], mask_BA[:, :-1], states.fused))
        labels_BA = ids_BA[:, 1:].masked_fill(~mask_BA[:, 1:], -100)
        total = functional.cross_entropy(logits_BAK.flatten(0, 1), labels_BA.flatten(), reduction="sum")
        return total / len(ids_BA)


class _Clock:
    """Seconds by part of a step, in place of the marks of the engine's profile."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self.seconds: dict[str, float] = {}

    @contextmanager
    def __call__(self, name: str) -> Iterator[None]:
        wait(self._device)
        started = time.perf_counter()
        yield
        wait(self._device)
        self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - started


def wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize()


def engine_steps(case: str, run: RunConfig, batch: int, device: torch.device) -> tuple[Callable[[], Any], Any]:
    """A step of the engine, and the engine."""
    model = run.model.build(open_texts(run.model))
    model.checkpoint_activations(run.engine.activation_checkpointing)
    if run.engine.compile:
        model.compile_blocks()
    schedule = Schedule(run.schedule, batch, 100_000)
    size = batch // run.engine.accumulation_steps
    engine = Engine(Bundle(model, run.objectives.build()), run.engine, run.optim, schedule, size, 0, device)
    batches = [made(size, run, seed) for seed in range(run.engine.accumulation_steps)]
    return lambda: engine.train_step(batches), engine


def bare_steps(case: str, run: RunConfig, batch: int, device: torch.device, clock: _Clock) -> tuple[Any, Any]:
    """A step of a loop of torch, and the passes of a batch."""
    released = case == "released"
    model = run.model.build(open_texts(run.model))
    losses = run.objectives.build()
    if released:
        swapped = {"masked_lm": _LogitsEverywhere, "generation": _AnswersEverywhere}
        losses = {n: swapped[n](one.config, one.compat) if n in swapped else one for n, one in losses.items()}
    bundle = Bundle(model, losses).to(device).train()
    optimizer = build_optimizer(bundle, run.optim)
    if released:
        optimizer = torch.optim.AdamW(bundle.parameters(), lr=run.optim.lr, foreach=False, fused=False)
    one = made(batch, run, 0)
    one = pad(one, RELEASED_TOKENS) if released else one

    def forward() -> Any:
        return bundle(to_tensors(one, device), 0)

    def step() -> None:
        with clock("forward"):
            total = forward()["total"]
        with clock("backward"):
            total.backward()
        with clock("update"):
            nn.utils.clip_grad_norm_(bundle.parameters(), run.engine.gradient_clipping)
            optimizer.step()
            optimizer.zero_grad()
        total.item()

    return step, forward


def made(size: int, run: RunConfig, seed: int) -> Batch:
    clip = run.task.clip
    return make_batch(size, clip.num_frames, clip.size, seed)


def measure(case: str, config: str, batch: int, threads: int, overrides: list[str]) -> dict[str, float]:
    """Steps in this process."""
    torch.set_num_threads(threads)
    given = {
        "checkpointing": ["engine.activation_checkpointing=true"],
        "compiled": ["engine.compile=true"],
        "cached": [
            f"data.train.batch_size={batch // 2}",
            "engine.accumulation_steps=2",
            f"engine.contrastive_batch={batch}",
        ],
        "bf16": ["engine.precision=bf16"],
        "fp16": ["engine.precision=fp16", "engine.zero_stage=1"],
        "released": ["compat=released", "model.vocabulary=null"],
    }
    run = load_config(
        config, [f"data.train.batch_size={batch}", "engine.zero_stage=0", *given.get(case, []), *overrides]
    )
    device = start_distributed()
    torch.manual_seed(0)
    clock, bare = _Clock(device), case in ("bare", "released")
    step, owner = bare_steps(case, run, batch, device, clock) if bare else engine_steps(case, run, batch, device)
    if bare and case == "released":
        with sdpa_kernel(SDPBackend.MATH):
            return _timed(run, step, owner, bare, clock, batch, device)
    return _timed(run, step, owner, bare, clock, batch, device)


def _timed(
    run: RunConfig, step: Any, owner: Any, bare: bool, clock: _Clock, batch: int, device: torch.device
) -> dict[str, float]:
    peak = _peak(device, run.engine.precision)
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
    else:
        Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
        before = memory("VmRSS")
    wall, cpu = [], []
    for _ in range(WARM + STEPS):
        started, burnt = time.perf_counter(), time.process_time()
        step()
        wait(device)
        wall.append(time.perf_counter() - started)
        cpu.append(time.process_time() - burnt)
    above = (torch.cuda.max_memory_allocated() if device.type == "cuda" else memory("VmHWM")) - before
    clock.seconds.clear()
    engine_module.part = clock  # type: ignore[assignment]
    for _ in range(PARTS):
        step()
    flops = 3 * forward_flops(owner) if bare else owner.work.flops
    seconds = statistics.median(wall[WARM:])
    return {
        "step_ms": 1e3 * seconds,
        "cpu_ms": 1e3 * statistics.median(cpu[WARM:]),
        "samples_s": batch / seconds,
        **{f"{name}_ms": 1e3 * clock.seconds[name] / PARTS for name in ("forward", "backward", "update")},
        "above_mb": above / 1e6,
        "gflop": flops / 1e9,
        "mfu": flops / seconds / peak,
    }


def _peak(device: torch.device, precision: str) -> float:
    """Operations a second: by the data sheet, or measured."""
    if device.type == "cuda":
        known = peak_flops(torch.cuda.get_device_name(device), precision)
        assert known is not None, "add this GPU to mcg/engine/flops.py"
        return known
    matrix, times = torch.rand(1024, 1024), []
    for _ in range(10):
        started = time.perf_counter()
        matrix @ matrix
        times.append(time.perf_counter() - started)
    return 2 * 1024**3 / min(times)


def log_line_ms() -> float:
    """Of a step's line in log.jsonl."""
    batch, lines = make_batch(32, 1, 8, 0), 500
    took = StepTime(0.1, Snapshot({stage: Times(1, 0.01) for stage in ("wait", *STAGES)}))
    losses = {"contrastive": 1.0, "masked_lm": 2.0, "generation": 3.0, "total": 6.0, "gradient_norm": 1.0, "lr": 0.1}
    with tempfile.TemporaryDirectory() as folder:
        log = RunLog(folder, load_config("configs/demo/pt.yaml", ["log.every_steps=100"]).log, 10**6, 0)
        started = time.perf_counter()
        for step in range(1, lines + 1):
            log.step(step, losses, took, 32, [batch])
        return 1e3 * (time.perf_counter() - started) / lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", default="configs/demo/pt.yaml")
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1, help="of torch on a CPU")
    parser.add_argument("--cases", nargs="*", help="some of them")
    parser.add_argument("--case", help=argparse.SUPPRESS)
    parser.add_argument("overrides", nargs="*", help="a.b=c over the config")
    chosen = parser.parse_args()
    if chosen.case:
        print(json.dumps(measure(chosen.case, chosen.config, chosen.batch, chosen.threads, chosen.overrides)))
        return
    sizes = ["--config", chosen.config, "--batch", str(chosen.batch), "--threads", str(chosen.threads)]
    names = ["engine", "bare", "released", "checkpointing", "cached", "compiled", "bf16"]
    names += ["fp16"] if torch.cuda.is_available() else []
    cases = {name: [name, *sizes, *chosen.overrides] for name in chosen.cases or names}
    compare(f"a step of {chosen.batch} on {chosen.config}", __file__, cases, chosen.rounds)
    print(f"a line of the log: {log_line_ms():.2f} ms")


if __name__ == "__main__":
    main()
