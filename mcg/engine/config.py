"""Config of the engine: DeepSpeed, optimiser, checkpoints, logs. Loads no torch."""

from __future__ import annotations

import re
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator


class _Frozen(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class EngineConfig(_Frozen):
    """Settings of training with DeepSpeed."""

    zero_stage: Literal[0, 1, 2, 3] = 1
    """State that ZeRO splits over the ranks: 0 nothing, 1 optimiser state, 2 also gradients, 3 also weights."""
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


class ParameterGroup(_Frozen):
    """Training settings of the parameters that match one pattern."""

    lr_factor: float = Field(default=1.0, gt=0)
    """Learning rate as a multiple of optim.lr, at every step of the schedule."""
    weight_decay: float | None = Field(default=None, ge=0)
    """Decoupled weight decay of all of them, biases and norms too; None: matrices alone, by optim.weight_decay."""
    frozen: bool = False
    """Not trained: they keep the values that the run starts with."""


class OptimConfig(_Frozen):
    """AdamW."""

    lr: float = Field(default=1e-4, gt=0)
    """Peak learning rate."""
    betas: tuple[float, float] = (0.9, 0.98)
    """Decay of the first and second moment."""
    eps: float = Field(default=1e-6, gt=0)
    """Added to the root of the second moment."""
    weight_decay: float = Field(default=1e-3, ge=0)
    """Decoupled weight decay of matrices."""
    groups: dict[str, ParameterGroup] = Field(default_factory=dict)
    """Regular expression -> how the parameters are trained whose whole name it matches. A name is that of a checkpoint
    (vision.blocks.0.attn.qkv.weight), or objectives.NAME... for what an objective owns. Each parameter fits one pattern
    at most, and each pattern fits a parameter; what fits none is trained as without groups."""

    @field_validator("groups")
    @classmethod
    def _are_patterns(cls, groups: dict[str, ParameterGroup]) -> dict[str, ParameterGroup]:
        for pattern in groups:
            try:
                re.compile(pattern)
            except re.error as error:
                raise ValueError(
                    f"{pattern!r} is no regular expression ({error}); write one, e.g. vision\\..+"
                ) from None
        return groups


class CheckpointConfig(_Frozen):
    """The interval between checkpoints and the number kept."""

    every_steps: int | None = Field(default=None, ge=1)
    """Optimiser steps between checkpoints; None saves only at the end and on SIGTERM."""
    keep: int = Field(default=2, ge=1)
    """Newest checkpoints that are kept."""
    keep_every_steps: int | None = Field(default=None, ge=1)
    """Checkpoints of every so many steps are kept as well, for good."""
    in_background: bool = False
    """Write while training goes on, from a copy in host memory: of each rank's fp32 weights and moments, and on the
    first rank of the model's weights. The last one, and that of SIGTERM, are waited for."""


class LogConfig(_Frozen):
    """Log lines, evaluations during training, TensorBoard and Prometheus files."""

    every_steps: int = Field(default=10, ge=1)
    """Optimiser steps between lines on the screen; log.jsonl has every step."""
    evaluate_every_steps: int | None = Field(default=None, ge=1)
    """Optimiser steps between scorings of data.val; None scores it once, at the end."""
    tensorboard: bool = False
    """Also write TensorBoard events."""
    prometheus: str | None = None
    """File (NAME.prom) for node_exporter's textfile collector: loader statistics of rank 0, with each screen line."""
