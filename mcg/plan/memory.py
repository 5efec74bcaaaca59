"""Memory of one rank by part, from the settings of the engine and what a trial found.

How DeepSpeed 0.19 holds weights, gradients and AdamW's state at each ZeRO stage (deepspeed.ai/docs/config-json and its
source): without ZeRO everything on every rank, in fp32 without a second copy; stage 1 splits the optimiser's state,
stage 2 also the gradients, stage 3 also the weights, of which those of the layers at work are gathered.
"""

from __future__ import annotations

from mcg.config import RunConfig
from mcg.plan.trial import Trial

_BUCKET = 500_000_000
"""Numbers in DeepSpeed's buffer for gradients on their way (zero_optimization.reduce_bucket_size)."""
_LIVE = 1_000_000_000
"""Weights that ZeRO 3 holds gathered at most (stage3_max_live_parameters)."""
_CUDA = 600_000_000
"""Bytes of a CUDA context with torch's and cuBLAS' own. Estimated."""
_NCCL = 700_000_000
"""Bytes of NCCL's channels. Estimated."""
_HOLES = 0.06
"""Share of what torch's allocator for GPUs holds that lies in holes. Estimated."""
_RUN_ON_CPU = 180_000_000
"""Bytes that a process of train.py has loaded besides what a plan has, decoders above all (docs/results.md)."""


def memory_of_state(config: RunConfig, trial: Trial, world: int) -> dict[str, int]:
    """Bytes of weights, gradients and optimiser of a rank, by part."""
    engine = config.engine
    size = 4 if engine.precision == "fp32" else 2
    trained, everything = trial.trained, trial.trained + trial.frozen
    stage, master = engine.zero_stage, 0 if engine.zero_stage == 0 and engine.precision == "fp32" else 4
    parts = {"weights": everything * size, "gradients": trained * size, "optimiser": trained * (8 + master)}
    if stage == 0 and engine.precision != "fp32":
        parts["gradients"] += trained * 4  # summed up in fp32
    if stage >= 1:
        parts["optimiser"] //= world
    if stage >= 2:
        parts["gradients"] //= world
    if stage == 3:
        parts["weights"] = everything * size // world + min(everything, _LIVE) * size
    if engine.offload_optimizer:
        parts["optimiser"] = 0
    return parts


def memory_on_gpu(config: RunConfig, trial: Trial, world: int, micro_batch: int) -> dict[str, int]:
    """Bytes on the GPU of a rank, by part."""
    engine = config.engine
    size = 4 if engine.precision == "fp32" else 2
    parts = memory_of_state(config, trial, world)
    parts["activations"] = int(trial.activations.at(micro_batch))
    if engine.zero_stage in (1, 2):
        parts["buffer for gradients"] = min(_BUCKET, trial.trained) * size
    held = config.data.train.prefetch_batches + 1 if config.data.train.decode != "cpu" else 1
    parts["batches"] = trial.sample_bytes * micro_batch * held
    parts["holes"] = int(_HOLES * sum(parts.values()))
    return {**parts, "CUDA, and NCCL between ranks": _CUDA + (_NCCL if world > 1 else 0)}


def memory_on_cpu(config: RunConfig, trial: Trial, world: int, micro_batch: int, loaded: int) -> dict[str, int]:
    """Bytes of the process of a rank that trains on the CPU, by part. loaded: of a process with the same modules and no
    model yet."""
    parts = {"modules": loaded + _RUN_ON_CPU, **memory_of_state(config, trial, world)}
    parts["activations"] = int(trial.activations.at(micro_batch))
    return {**parts, "batches": memory_of_batches(config, trial, micro_batch)}


def memory_of_batches(config: RunConfig, trial: Trial, micro_batch: int) -> int:
    """Bytes of the batches that a rank's host holds: those of a step, which engine.contrastive_batch needs twice, and
    those made ahead."""
    held = config.engine.accumulation_steps + config.data.train.prefetch_batches + 1
    return trial.sample_bytes * micro_batch * held
