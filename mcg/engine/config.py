"""Config of the engine: DeepSpeed, optimiser, checkpoints, logs. Loads no torch."""

from __future__ import annotations

import re
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

_OURS = {
    "train_batch_size": "data.train.batch_size and engine.accumulation_steps",
    "train_micro_batch_size_per_gpu": "data.train.batch_size",
    "gradient_accumulation_steps": "engine.accumulation_steps",
    "gradient_clipping": "engine.gradient_clipping",
    "zero_optimization.stage": "engine.zero_stage",
    "bf16.enabled": "engine.precision",
    "fp16.enabled": "engine.precision",
    "bfloat16": "engine.precision",
    "amp": "engine.precision",
    "optimizer": "optim",
    "scheduler": "schedule",
    "activation_checkpointing": "engine.activation_checkpointing",
    "checkpoint": "checkpoint",
}
"""What we decide, by its path in DeepSpeed's settings -> our setting for it."""


class _Frozen(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class SpikeConfig(_Frozen):
    """What a spike of the loss is, and what is done about it."""

    factor: float | None = Field(default=6.0, gt=0)
    """A loss this many usual deviations above the median of the steps before is a spike (mcg/engine/record/spikes.py),
    kept in the log with the origins of its batch; None: nobody looks."""
    window: int = Field(default=100, ge=4)
    """Steps of the same dataset that a step is compared with; they begin to count when half of them are there."""
    rewind: bool = False
    """After a spike, go back to the newest checkpoint and on with the data that come after the spike."""


class EngineConfig(_Frozen):
    """Settings of training with DeepSpeed."""

    zero_stage: Literal[0, 1, 2, 3] = 1
    """State that ZeRO splits over the ranks: 0 nothing, 1 optimiser state, 2 also gradients, 3 also weights."""
    precision: Literal["fp32", "bf16", "fp16"] = "fp32"
    """Number format of weights and activations; the optimiser keeps fp32. fp16, of ZeRO 1 to 3, is for GPUs without
    bf16 (V100, T4): its loss is scaled, and an update whose gradient overflows is left out and the scale lowered."""
    accumulation_steps: int = Field(default=1, ge=1)
    """Loader batches per optimiser step; each is one contrastive batch, unless contrastive_batch is larger."""
    contrastive_batch: int | None = Field(default=None, ge=2)
    """Elements that the losses over pairs (contrastive, sigmoid) compare with each other, a whole number of loader
    batches of one optimiser step; None: those of one. More than one are encoded twice, in the memory of one."""
    gradient_clipping: float = Field(default=1.0, ge=0)
    """Largest norm of the gradient; 0 turns clipping off."""
    activation_checkpointing: bool = False
    """Recompute activations in the backward pass: less memory, about a third more time."""
    compile: bool = False
    """Compile the model's blocks (torch.compile), with ZeRO 0 to 2: the first step takes a minute or two longer, later
    ones less time. On a CPU it needs g++ and gains nothing."""
    offload_optimizer: bool = False
    """Keep the optimiser's state in host memory (ZeRO 1 to 3)."""
    threads: int | None = Field(default=None, ge=1)
    """Threads of torch on the CPU per process; None leaves torch's choice."""
    startup_seconds: float = Field(default=600.0, gt=0)
    """Seconds that the ranks wait for each other when a run starts; those that are missing then are named. Also for all
    that a run has done less than three times: its first steps, which compile, its first checkpoint, ..."""
    hang_seconds: float | None = Field(default=180.0, gt=0)
    """Seconds after which a rank without a sign of life, or that takes this much longer than usual for a step, brings
    the job down (mcg/launch/watch.py); None watches nobody, for a debugger. Waiting for data may take 300 more, or
    MCG_SOURCE_DEADLINE, since that is how long storage is asked again."""

    spikes: SpikeConfig = SpikeConfig()
    """Steps whose loss lies far above that of the steps before."""

    deepspeed: dict[str, Any] = Field(default_factory=dict)
    """Further settings of DeepSpeed (deepspeed.ai/docs/config-json), laid over those that follow from ours: ZeRO++,
    offloading to NVMe, communication_data_type, ... What one of ours decides is refused here."""

    profile: tuple[int, int] | None = None
    """First and last step whose time is looked into: a trace for ui.perfetto.dev and a table of the dearest operators,
    in RUN/profile (mcg/engine/record/profile.py)."""

    @field_validator("profile")
    @classmethod
    def _are_steps(cls, profile: tuple[int, int] | None) -> tuple[int, int] | None:
        if profile is not None and not 1 <= profile[0] <= profile[1]:
            raise ValueError(f"{list(profile)} are no first and last step, counted from 1; write e.g. [11, 13]")
        return profile

    @field_validator("deepspeed")
    @classmethod
    def _does_not_contradict(cls, given: dict[str, Any]) -> dict[str, Any]:
        """Refuse what is said a second time."""
        for path, own in _OURS.items():
            found: Any = given
            for word in path.split("."):
                if not isinstance(found, dict) or word not in found:
                    break
                found = found[word]
            else:
                raise ValueError(f"{path} is decided by {own}; set that, and leave {path} out")
        return given

    @model_validator(mode="after")
    def _compiles_whole_blocks(self) -> Self:
        if self.compile and self.zero_stage == 3:
            raise ValueError(
                "compile: true needs zero_stage 0, 1 or 2; ZeRO 3 fetches the weights of each layer inside a block, "
                "which falls into as many pieces"
            )
        return self

    @model_validator(mode="after")
    def _scales_the_loss(self) -> Self:
        if self.precision == "fp16" and self.zero_stage == 0:
            raise ValueError(
                "precision: fp16 needs zero_stage 1, 2 or 3; without ZeRO, DeepSpeed does not scale the loss"
            )
        return self

    def batches_of_contrast(self, batch_size: int) -> int:
        """Loader batches of batch_size elements in one contrast. Raises ValueError where they do not make one."""
        size = self.contrastive_batch or batch_size
        count = size // batch_size
        if size % batch_size or self.accumulation_steps % count:
            raise ValueError(
                f"engine.contrastive_batch {size} must be data.train.batch_size {batch_size} times a divisor of "
                f"engine.accumulation_steps {self.accumulation_steps}"
            )
        return count


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
    to: str | None = Field(default=None, min_length=1)
    """Folder or URL (s3://bucket/run) that each finished checkpoint is copied to, in the background; a run whose own
    folder has none goes on from there. As many are kept there."""
    in_background: bool = False
    """Write while training goes on, from a copy in host memory: of each rank's fp32 weights and moments, and on the
    first rank of the model's weights. The last one, and that of SIGTERM, are waited for."""


class LogConfig(_Frozen):
    """Log lines, evaluations during training, trackers and Prometheus files."""

    every_steps: int = Field(default=10, ge=1)
    """Optimiser steps between lines on the screen; log.jsonl has every step."""
    evaluate_every_steps: int | None = Field(default=None, ge=1)
    """Optimiser steps between scorings of data.val; None scores it once, at the end."""
    evaluate_at_start: bool = False
    """Also score data.val before the first step, which shows what the weights that a run starts from are good for."""
    tensorboard: bool = False
    """Also write TensorBoard events, to RUN/tensorboard."""
    wandb: str | None = Field(default=None, min_length=1)
    """Project of Weights & Biases (pip install wandb) that the run is shown in; WANDB_MODE=offline works."""
    mlflow: str | None = Field(default=None, min_length=1)
    """Experiment of MLflow (pip install mlflow-skinny) that the run is shown in, at MLFLOW_TRACKING_URI or in files of
    RUN/mlruns."""
    prometheus: str | None = None
    """File (NAME.prom) for node_exporter's textfile collector: loader statistics of rank 0, with each screen line."""
