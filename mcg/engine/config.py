"""Config of the engine: DeepSpeed, checkpoints, logs."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class _Frozen(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class EngineConfig(_Frozen):
    """How DeepSpeed trains."""

    zero_stage: Literal[0, 1, 2, 3] = 1
    """What ZeRO splits over ranks: 0 nothing, 1 optimiser state, 2 also gradients, 3 also weights."""
    precision: Literal["fp32", "bf16"] = "fp32"
    """Number format of weights and activations; the optimiser keeps fp32."""
    accumulation_steps: int = Field(default=1, ge=1)
    """Loader batches per optimiser step; each is one contrastive batch."""
    gradient_clipping: float = Field(default=1.0, ge=0)
    """Largest norm of the gradient; 0 turns clipping off."""
    activation_checkpointing: bool = False
    """Recompute activations in the backward pass: less memory, about a third more time."""
    offload_optimizer: bool = False
    """Keep the optimiser's state in host memory (ZeRO 1 to 3)."""
    threads: int | None = Field(default=None, ge=1)
    """Threads of torch on the CPU per process; None leaves torch's choice."""


class CheckpointConfig(_Frozen):
    """When to save, and what to keep."""

    every_steps: int | None = Field(default=None, ge=1)
    """Optimiser steps between checkpoints; None saves only at the end and on SIGTERM."""
    keep: int = Field(default=2, ge=1)
    """Newest checkpoints that are kept."""


class LogConfig(_Frozen):
    """What is written where."""

    every_steps: int = Field(default=10, ge=1)
    """Optimiser steps between lines on the screen; log.jsonl has every step."""
    evaluate_every_steps: int | None = Field(default=None, ge=1)
    """Optimiser steps between scorings of data.val; None scores it once, at the end."""
    tensorboard: bool = False
    """Also write TensorBoard events."""
    prometheus: str | None = None
    """File (NAME.prom) for node_exporter's textfile collector: loader statistics of rank 0, with each screen line."""
