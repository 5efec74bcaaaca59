"""The plan of a run: what its ranks hold, how long it takes, and what its data must deliver."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

import psutil
import torch

from mcg.config import RunConfig
from mcg.engine.deepspeed import start_distributed
from mcg.engine.gpus import GPUS
from mcg.engine.schedule import Schedule
from mcg.plan.data import read_some
from mcg.plan.memory import memory_of_batches, memory_on_cpu, memory_on_gpu
from mcg.plan.timing import StepTime, time_on_cpu, time_on_gpu
from mcg.plan.trial import build, made_up, try_out
from shards.base import UsageError

CPU = "cpu"


@dataclass(frozen=True)
class Prices:
    """US dollars, as Amazon S3 asks for them."""

    per_gb: float
    """Of what leaves the store's region."""
    per_1000_requests: float


@dataclass(frozen=True)
class Plan:
    """All numbers; None for what cannot be known without the data."""

    device: str
    ranks: int
    micro_batch: int
    parameters: dict[str, int]
    memory: dict[str, int]
    """Bytes of a rank by part, on its GPU or, on the CPU, of its process."""
    memory_limit: int
    """Bytes that a rank has."""
    host_batches: int
    """Bytes of the batches that a rank's host holds."""
    step: StepTime
    tflop_per_step: float
    """10^12 operations of a rank in a step."""
    steps: int | None
    hours: float | None
    samples_per_second: float
    bytes_per_second: float | None
    decoding_cores: float | None
    """CPU cores that decoding takes on all machines together, by what it takes here."""
    store_gb: float | None
    """10^9 bytes that the run asks of its store, if no cache keeps them."""
    requests: int | None
    dollars: float | None
    """For store_gb and requests."""

    @property
    def memory_sum(self) -> int:
        return sum(self.memory.values())

    @property
    def fits(self) -> bool:
        return self.memory_sum <= self.memory_limit

    def to_dict(self) -> dict[str, Any]:
        return {**asdict(self), "memory_sum": self.memory_sum, "fits": self.fits, "step_seconds": self.step.seconds}


def make_plan(
    config: RunConfig,
    ranks: int,
    gpu: str,
    *,
    mfu: float = 0.35,
    per_node: int = 8,
    network: float = 25e9,
    elements: int | None = None,
    sample_bytes: float | None = None,
    prices: Prices,
) -> Plan:
    """Plan a run on so many GPUs, or processes where gpu is "cpu". Raises UsageError, ValueError."""
    gpu = gpu.lower()
    known = {name.lower(): found for name, found in GPUS.items()}.get(gpu)
    if known is None and gpu != CPU:
        raise UsageError(f"--gpu {gpu}: is not known; take one of {', '.join(GPUS)}, or {CPU}")
    batch_size, accumulation = config.data.train.batch_size, config.engine.accumulation_steps
    config.data.train.check_world_size(ranks)
    micro = batch_size // ranks
    start_distributed()  # loads what train.py loads, as the next line does
    config.model.load_class()
    process = psutil.Process()
    torch.manual_seed(0)
    modules = process.memory_info().rss
    bundle, task = build(config)
    trial = try_out(config, bundle, task)
    data = read_some(config, task, ranks, elements, sample_bytes)
    if known is None:
        memory = memory_on_cpu(config, trial, ranks, micro, modules)
        limit = psutil.virtual_memory().total // ranks
        step = time_on_cpu(config, bundle, data.batch or made_up(task, micro), trial, data, ranks)
    else:
        memory, limit = memory_on_gpu(config, trial, ranks, micro), known.memory
        step = time_on_gpu(config, trial, ranks, micro, known, mfu, per_node, network)
    per_step = batch_size * accumulation
    steps = _steps(config, per_step, data.elements)
    rate = per_step / step.seconds
    asked = None if steps is None or data.sample_bytes is None else steps * per_step * data.sample_bytes
    requests = None if steps is None else steps * per_step
    return Plan(
        gpu,
        ranks,
        micro,
        {"trained": trial.trained, "frozen": trial.frozen},
        memory,
        limit,
        memory_of_batches(config, trial, micro),
        step,
        trial.flops * micro * accumulation / 1e12,
        steps,
        None if steps is None else steps * step.seconds / 3600,
        rate,
        None if data.sample_bytes is None else rate * data.sample_bytes,
        None if data.cpu_seconds is None else rate * data.cpu_seconds,
        None if asked is None else asked / 1e9,
        requests,
        None if asked is None or requests is None else _dollars(asked, requests, prices),
    )


def _steps(config: RunConfig, per_step: int, elements: int | None) -> int | None:
    if elements is None and config.schedule.length.passes is not None:
        return None
    return Schedule(config.schedule, per_step, elements or 1).total_steps


def _dollars(asked: float, requests: int, prices: Prices) -> float:
    return math.fsum([asked / 1e9 * prices.per_gb, requests / 1000 * prices.per_1000_requests])
