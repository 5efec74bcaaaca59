"""DeepSpeed, and the only file that imports it: one engine from one CPU process to many nodes.

Promises: ranks come from the launcher's environment (mcg/launch/ranks.py), without one it is a single process (no
mpi4py); one call is one optimiser step; a loss or gradient that is not finite stops the run before the update, on every
rank, naming step, objective and the origins of the batch; random numbers are addressed, so that a resumed run draws
what an uninterrupted one draws: of the model (dropout, drop path) by (seed, step, micro-batch, rank), of the objectives
by a seed that is a function of (seed, step, micro-batch) and the same on all ranks; state goes from any
number of ranks and ZeRO stage to any other (store/state.py), and that of older versions is loaded without running
pickled code.
"""

from __future__ import annotations

import atexit
import logging
import os
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor, nn

from mcg import distributed
from mcg.engine.config import EngineConfig, OptimConfig
from mcg.engine.finite import check_losses, check_norm
from mcg.engine.flops import Work, step_work
from mcg.engine.optim import build_optimizer
from mcg.engine.record.profile import part
from mcg.engine.schedule import Schedule
from mcg.engine.settings import check_known, deepspeed_settings
from mcg.engine.step_uses import StepUse, StepUses
from mcg.engine.store.contents import Contents
from mcg.engine.store.state import has_state, read_state, state_of
from mcg.engine.tensors import to_tensors
from mcg.launch.launcher import end_with_launcher
from mcg.launch.meeting import STARTUP_SECONDS, meet
from mcg.launch.ranks import Place, find_place
from mcg.launch.watch import Watch
from mcg.strange_files import is_refusal, refusal
from shards import Batch
from shards.base import UsageError, no_garbage_collection
from shards.order import hash64


def start_distributed(config: EngineConfig | None = None) -> torch.device:
    """Join the other ranks (those of torchrun, deepspeed or srun, else one process) and return this rank's device.

    The group is left when the process ends, or with stop_distributed. config: how long ranks are waited for, and
    whether they watch each other; without one they do not. Raises UsageError where the launcher does not tell the rank,
    MeetingError where ranks do not come.
    """
    end_with_launcher()
    place = find_place(os.environ)
    device = _device(place)
    os.environ.update(replace(place, local_rank=device.index or 0).to_environment())
    # DeepSpeed compiles with the venv's ninja, which is on PATH only in an activated venv.
    os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    logging.getLogger("DeepSpeed").setLevel(logging.WARNING)
    # Which of torch's functions DeepSpeed calls is nothing to say at every step of a run.
    warnings.filterwarnings("ignore", r"`torch\.distributed\.\w+` is deprecated", FutureWarning)
    if not torch.cuda.is_available():
        os.environ.setdefault("DS_ACCELERATOR", "cpu")  # what it finds by itself, it says as a warning on stdout
    with no_garbage_collection():
        import deepspeed
        from deepspeed.accelerator import get_accelerator

        # Muon, which DeepSpeed imports in every run, would load the compiler at once: more than a second.
        with patch("deepspeed.runtime.compiler.compile", lambda: lambda function: function):
            import deepspeed.runtime.zero.muon.original_muon
    if not torch.cuda.is_available():
        # An optional shortcut for CPU ranks on one machine that costs half a minute of compiling; gloo serves as well.
        deepspeed.ops.__compatible_ops__["deepspeed_shm_comm"] = False
    backend = get_accelerator().communication_backend_name()
    if not torch.distributed.is_initialized():
        met = meet(place, STARTUP_SECONDS if config is None else config.startup_seconds)
        atexit.register(stop_distributed)
        timeout = None
        if place.world > 1 and config is not None and config.hang_seconds is not None:
            watch = Watch(met, place.rank, config.hang_seconds, config.startup_seconds)
            watch.start()
            distributed.watch_with(watch)
            timeout = timedelta(days=1)  # what hangs is for the watch to find, which knows what takes long by habit
        torch.distributed.init_process_group(
            backend, store=met.store, rank=place.rank, world_size=place.world, timeout=timeout
        )
    deepspeed.init_distributed(backend, verbose=False)  # takes the group that is there
    if device.type == "cuda":
        torch.cuda.set_device(device)
    return device


def _device(place: Place) -> torch.device:
    """The GPU of this rank, or the CPU where there is none. Raises UsageError where a node has more ranks than GPUs."""
    if not torch.cuda.is_available():
        return torch.device("cpu")
    count = torch.cuda.device_count()
    if count == 1:  # srun --gpus-per-task=1 shows each task its own
        return torch.device("cuda", 0)
    if place.local_rank >= count:
        raise UsageError(
            f"rank {place.rank} is number {place.local_rank} of its node, which has {count} GPUs, counted from 0: "
            f"start {count} processes a node"
        )
    return torch.device("cuda", place.local_rank)


def stop_distributed() -> None:
    """Leave the group of ranks, when the others do."""
    distributed.leave()
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()


class Engine:
    """Trains a bundle (its forward takes inputs and a seed, and returns named losses with their weighted sum as
    "total")."""

    def __init__(
        self,
        bundle: nn.Module,
        config: EngineConfig,
        optim: OptimConfig,
        schedule: Schedule,
        batch_size: int,
        seed: int,
        device: torch.device,
        uses: Mapping[str, StepUse] | None = None,
    ) -> None:
        """batch_size: elements of a global batch. uses: of a run of several, by dataset. Raises ValueError if the ranks
        do not divide the batch."""
        import deepspeed
        from deepspeed.accelerator import get_accelerator

        world = distributed.world_size()
        if batch_size % world:
            raise ValueError(f"data.train.batch_size {batch_size} must be a multiple of the {world} ranks")
        self.config, self.schedule, self.device, self._seed, self._lr = config, schedule, device, seed, optim.lr
        self._uses = StepUses(uses, StepUse(None, config.batches_of_contrast(batch_size)))
        self.step = 0
        """Optimiser steps done."""
        self.work: Work | None = None
        """Of the last step on this rank, by the first batch of its use."""
        self._works: dict[str | None, Work] = {}
        self.before_update: Callable[[], None] = lambda: None
        """Called in every step just before the weights change."""
        check_known(config.deepspeed, deepspeed.__version__)
        if config.precision == "fp16" and not get_accelerator().is_fp16_supported():
            raise ValueError(f"engine.precision: fp16 is nothing that this {device.type} computes; use bf16 or fp32")
        model = bundle.to(device)
        optimizer = build_optimizer(model, optim)
        self._peaks: list[float] = [group["lr"] for group in optimizer.param_groups]
        for group in optimizer.param_groups:
            group["lr"] = 0.0  # DeepSpeed may make an update of zeros, which would decay the weights
        settings = deepspeed_settings(config, batch_size // world, world, torch.cuda.is_available())
        self._engine, self._optimizer, _, _ = deepspeed.initialize(model=model, optimizer=optimizer, config=settings)
        # That update (without ZeRO, of bf16 and fp16) would count: AdamW's first step would have 0.74 of its size.
        self._engine.basic_optimizer.state.clear()

    @property
    def bundle(self) -> Any:
        """The bundle, for evaluation and for saving its model."""
        return self._engine.module

    def train_step(self, batches: Sequence[Batch]) -> dict[str, float]:
        """One optimiser step over `accumulation_steps` loader batches. Returns the mean losses over batches and ranks,
        the gradient norm and the learning rate. Raises NonFiniteLoss, NonFiniteGradient."""
        assert len(batches) == self.config.accumulation_steps
        distributed.doing("training", f"step {self.step + 1}")
        factor = self.schedule.factor(self.step)
        for group, peak in zip(self._optimizer.param_groups, self._peaks, strict=True):
            group["lr"] = peak * factor
        self._engine.train()
        use, contrast = self._uses.of(batches)
        if use not in self._works:
            self._works[use] = step_work(
                lambda: self._forward(batches[0], 0, use=use), len(batches), self.device, self.config.precision
            )
        self.work = self._works[use]
        sums: dict[str, Tensor] = {}
        own_norm, known = None, [None]
        for number, batch in enumerate(batches):
            place = number % contrast
            if place == 0 and contrast > 1:
                known = self._over_pairs(batches[number : number + contrast], number, use)
            with part("forward"):
                losses = self._forward(batch, number, use=use, known=known[place])
            check_losses(self.step, losses, batch)
            with part("backward"):
                self._engine.backward(losses["total"])
            if self.config.zero_stage == 0:  # without ZeRO, DeepSpeed clips in fp32 and does not tell the norm
                own_norm = nn.utils.get_total_norm(p.grad for p in self.bundle.parameters() if p.grad is not None)
                if number == len(batches) - 1:
                    check_norm(self.step, own_norm, batches)
            if number == len(batches) - 1:
                self.before_update()
            with part("update"):
                self._engine.step()
            for name, loss in losses.items():
                sums[name] = sums.get(name, torch.zeros_like(loss)) + loss.detach()
        found = self._engine.get_global_grad_norm()
        if not self._engine.fp16_enabled():  # where losses are scaled, DeepSpeed lowers the scale
            check_norm(self.step, found, batches)  # DeepSpeed leaves out such an update by itself, and would go on
        norm = own_norm if own_norm is not None else found
        self.step += 1
        mean = distributed.mean_over_ranks(torch.stack(list(sums.values())) / len(batches)).tolist()
        told = {} if norm is None else {"gradient_norm": float(norm)}
        if self._engine.fp16_enabled():
            told["loss_scale"] = float(self._engine.optimizer.loss_scaler.cur_scale)
        return {**dict(zip(sums, mean, strict=True)), **told, "lr": self._lr * factor}

    def _forward(self, batch: Batch, number: int, **asked: Any) -> dict[str, Tensor]:
        """The bundle's answer to a micro-batch, the same random numbers at each call."""
        address = hash64(self._seed, self.step, number, distributed.rank())
        torch.manual_seed(int(address) >> 1)
        inputs, seed = to_tensors(batch, self.device), int(hash64(self._seed, self.step, number))
        answer: dict[str, Tensor] = self._engine(inputs, seed, **asked)
        return answer

    def _over_pairs(self, batches: Sequence[Batch], first: int, use: str | None) -> Any:
        """Each micro-batch, the first of which has number `first`, as part of the contrastive batch of all."""
        with torch.no_grad():
            features = [self._forward(batch, first + i, use=use, only_features=True) for i, batch in enumerate(batches)]
        inputs = [{"frames": batch.frames, **batch.arrays} for batch in batches]
        # the seed that a run with one micro-batch in place of these would give it
        seed = int(hash64(self._seed, self.step, first // len(batches)))
        return self.bundle.over_pairs(features, inputs, seed, use)

    def state(self) -> Contents:
        """This rank's part of the training state, by the path of its file below the checkpoint; it is not copied."""
        return state_of(self._engine, self.step)

    def load(self, folder: Path, step: int) -> None:
        """Read the `state` of the ranks of any run at optimiser step `step`: their number, the ZeRO stage and
        the precision may have been others. Raises CheckpointError, ValueError."""
        if has_state(folder):
            read_state(self._engine, folder, step)
        else:
            self._load_older(folder)
        self.step = step

    def _load_older(self, folder: Path) -> None:
        """Read what DeepSpeed wrote for an older version. No pickled code runs: torch refuses anything but tensors and
        the few DeepSpeed types that its files hold."""
        if not any((folder / "state").glob("*.pt")):
            raise ValueError(
                f"{folder}: no training state there, as in a best checkpoint; name a folder step-NNNNNN, or start from "
                "its weights with init_from"
            )
        try:
            with _weights_only():
                self._engine.load_checkpoint(str(folder), tag="state")
        except Exception as error:  # DeepSpeed's own kinds, torch's, and plain assertions
            why = refusal(error) if is_refusal(error) else repr(error)
            raise ValueError(
                f"{folder}: DeepSpeed cannot load this training state: {why}. It is of an older version: go on with "
                "the processes and the engine.zero_stage that it was saved with, or start a new run with init_from"
            ) from error

    def model_state(self) -> dict[str, Tensor]:
        """Whole weights of the model on rank 0 (empty elsewhere under ZeRO 3)."""
        if self.config.zero_stage < 3:
            return dict(self.bundle.model.state_dict())
        state = self._engine._zero3_consolidated_16bit_state_dict() or {}
        whole = ((name.partition("."), tensor) for name, tensor in state.items())  # objectives may have weights too
        return {name: tensor for (owner, _, name), tensor in whole if owner == "model"}

    def close(self) -> None:
        """Release hooks and buffers."""
        self._engine.destroy()


@contextmanager
def _weights_only() -> Iterator[None]:
    """Make every torch.load inside refuse pickled code, DeepSpeed's own calls included."""
    from deepspeed.runtime.fp16.loss_scaler import DynamicLossScaler, LossScaler
    from deepspeed.runtime.zero.config import ZeroStageEnum
    from deepspeed.utils.tensor_fragment import fragment_address

    name = "TORCH_FORCE_WEIGHTS_ONLY_LOAD"
    before = os.environ.get(name)
    os.environ[name] = "1"
    try:
        with torch.serialization.safe_globals([LossScaler, DynamicLossScaler, ZeroStageEnum, fragment_address]):
            yield
    finally:
        if before is None:
            del os.environ[name]
        else:
            os.environ[name] = before
