"""How long a step takes: on a GPU by its data sheet, on the CPU by doing one here.

On a GPU: the operations of a step at a share of the peak that runs of this kind reach (estimated, unless a run of yours
has told its MFU), and the bytes that ranks send each other, of which the longer one counts, as DeepSpeed sends while it
computes. On the CPU: passes of the whole micro-batch with the threads of a rank, the update, and the loader's work,
which takes its share of the same cores.
"""

from __future__ import annotations

import os
import statistics
import time
from dataclasses import dataclass

import torch

from mcg.config import RunConfig
from mcg.engine.gpus import Gpu
from mcg.engine.tensors import to_tensors
from mcg.objectives.bundle import Bundle
from mcg.plan.data import DataFacts
from mcg.plan.trial import Trial, passes
from shards import Batch

_WARM, _TIMED = 2, 3
_THIRD = 1 / 3
"""Forward passes that are made again, as a share of the forward and backward passes."""


@dataclass(frozen=True)
class StepTime:
    """Seconds of an optimiser step."""

    compute: float
    communication: float
    loader: float
    """By which the loader makes it longer, where it works on the same cores."""

    @property
    def seconds(self) -> float:
        return max(self.compute, self.communication) + self.loader


def time_on_gpu(
    config: RunConfig, trial: Trial, world: int, micro_batch: int, gpu: Gpu, mfu: float, per_node: int, network: float
) -> StepTime:
    """mfu: the share of the peak that is reached. network: bytes a second between nodes, for each GPU. Raises
    ValueError where the GPU does not compute in the precision of the config."""
    engine = config.engine
    peak = gpu.peaks.get(engine.precision)
    if peak is None:
        raise ValueError(f"engine.precision: {engine.precision} is not for this GPU; take one of {[*gpu.peaks]}")
    work = trial.flops * micro_batch * engine.accumulation_steps
    again = _THIRD * (engine.activation_checkpointing + (engine.batches_of_contrast(config.data.train.batch_size) > 1))
    size = 4 if engine.precision == "fp32" else 2
    # reduced and spread in two halves; ZeRO 3 fetches the weights for each pass of each micro-batch
    sent = trial.trained * size * (2 if engine.zero_stage < 3 else 3 * engine.accumulation_steps)
    speed = gpu.link if world <= per_node else min(gpu.link, network)
    return StepTime(work * (1 + again) / (peak * mfu), 0.0 if world == 1 else sent * (world - 1) / world / speed, 0.0)


def time_on_cpu(config: RunConfig, bundle: Bundle, batch: Batch, trial: Trial, data: DataFacts, world: int) -> StepTime:
    """Where all ranks are on this machine."""
    cores = len(os.sched_getaffinity(0))
    engine = config.engine
    before, threads = torch.get_num_threads(), engine.threads or torch.get_num_threads()
    torch.set_num_threads(threads)
    inputs, seconds = to_tensors(batch, torch.device("cpu")), []
    for _ in range(_WARM + _TIMED):
        started = time.perf_counter()
        passes(bundle, inputs)
        seconds.append(time.perf_counter() - started)
    torch.set_num_threads(before)
    of_contrast = engine.batches_of_contrast(config.data.train.batch_size) > 1
    once = statistics.median(seconds[_WARM:]) * (1 + _THIRD * of_contrast)
    share = min(1.0, cores / (world * threads))  # of a core, that a thread gets
    compute = (once * engine.accumulation_steps + trial.update_seconds) / share
    loading = (data.cpu_seconds or 0.0) * len(batch.valid) * engine.accumulation_steps * world
    idle = max(0.0, cores - world * threads) * compute
    return StepTime(compute, 0.0, max(0.0, loading - idle) / cores)
