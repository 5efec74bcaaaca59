"""DeepSpeed, and the only file that imports it: one engine from one CPU process to many nodes.

Promises: ranks come from the launcher's environment, or a single process is set up without one (no mpi4py); one call is
one optimiser step; a loss that is not finite stops the run before the update, on every rank, naming step, objective and
the origins of the batch; random numbers are addressed, so that a resumed run draws what an uninterrupted one draws: of
the model (dropout, drop path) by (seed, step, micro-batch, rank), of the objectives by a seed that is a function of
(seed, step, micro-batch) and the same on all ranks; state goes from any number of ranks and ZeRO stage to any other
(store/state.py), and that of older versions is loaded without running pickled code.
"""

from __future__ import annotations

import atexit
import logging
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from mcg import distributed
from mcg.engine.config import EngineConfig, OptimConfig
from mcg.engine.launcher import end_with_launcher
from mcg.engine.optim import build_optimizer
from mcg.engine.schedule import Schedule
from mcg.engine.store.contents import Contents
from mcg.engine.store.state import has_state, read_state, state_of
from mcg.engine.tensors import to_tensors
from mcg.strange_files import is_refusal, refusal
from shards import Batch
from shards.base import PrintableError
from shards.order import hash64


class NonFiniteLoss(PrintableError, RuntimeError):
    """A loss became nan or inf; the weights are those before the step."""


def start_distributed() -> torch.device:
    """Join the other ranks (torchrun's or deepspeed's environment, else one process) and return this rank's device.

    The group is left when the process ends, or with stop_distributed.
    """
    end_with_launcher()
    if "RANK" not in os.environ:
        # port 0: the store takes a free one itself; one that was free a moment ago may be taken by now
        alone = {"RANK": 0, "WORLD_SIZE": 1, "LOCAL_RANK": 0, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": 0}
        os.environ.update({name: str(value) for name, value in alone.items()})
    # DeepSpeed compiles with the venv's ninja, which is on PATH only in an activated venv.
    os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    logging.getLogger("DeepSpeed").setLevel(logging.WARNING)
    import deepspeed
    from deepspeed.accelerator import get_accelerator

    if not torch.cuda.is_available():
        # An optional shortcut for CPU ranks on one machine that costs half a minute of compiling; gloo serves as well.
        deepspeed.ops.__compatible_ops__["deepspeed_shm_comm"] = False
    atexit.register(stop_distributed)
    deepspeed.init_distributed(get_accelerator().communication_backend_name(), verbose=False)
    local_rank = int(os.environ.get("LOCAL_RANK", 0))
    if not torch.cuda.is_available():
        return torch.device("cpu")
    torch.cuda.set_device(local_rank)
    return torch.device("cuda", local_rank)


def stop_distributed() -> None:
    """Leave the group of ranks."""
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
    ) -> None:
        """batch_size: elements of a global batch. Raises ValueError if the ranks do not divide it."""
        import deepspeed

        world = distributed.world_size()
        if batch_size % world:
            raise ValueError(f"data.train.batch_size {batch_size} must be a multiple of the {world} ranks")
        self.config, self.schedule, self.device, self._seed, self._lr = config, schedule, device, seed, optim.lr
        self.step = 0
        """Optimiser steps done."""
        self.before_update: Callable[[], None] = lambda: None
        """Called in every step just before the weights change."""
        model = bundle.to(device)
        optimizer = build_optimizer(model, optim)
        self._peaks: list[float] = [group["lr"] for group in optimizer.param_groups]
        self._engine, self._optimizer, _, _ = deepspeed.initialize(
            model=model,
            optimizer=optimizer,
            config=_deepspeed_config(config, batch_size // world, world),
        )

    @property
    def bundle(self) -> Any:
        """The bundle, for evaluation and for saving its model."""
        return self._engine.module

    def train_step(self, batches: Sequence[Batch]) -> dict[str, float]:
        """One optimiser step over `accumulation_steps` loader batches. Returns the mean losses over batches and ranks,
        the gradient norm and the learning rate. Raises NonFiniteLoss."""
        assert len(batches) == self.config.accumulation_steps
        factor = self.schedule.factor(self.step)
        for group, peak in zip(self._optimizer.param_groups, self._peaks, strict=True):
            group["lr"] = peak * factor
        self._engine.train()
        sums: dict[str, Tensor] = {}
        own_norm = None
        for number, batch in enumerate(batches):
            address = hash64(self._seed, self.step, number, distributed.rank())
            torch.manual_seed(int(address) >> 1)
            losses = self._engine(to_tensors(batch, self.device), int(hash64(self._seed, self.step, number)))
            self._check_finite(losses, batch)
            self._engine.backward(losses["total"])
            if self.config.zero_stage == 0:  # without ZeRO, DeepSpeed clips in fp32 and does not tell the norm
                own_norm = nn.utils.get_total_norm(p.grad for p in self.bundle.parameters() if p.grad is not None)
            if number == len(batches) - 1:
                self.before_update()
            self._engine.step()
            for name, loss in losses.items():
                sums[name] = sums.get(name, torch.zeros_like(loss)) + loss.detach()
        self.step += 1
        mean = distributed.mean_over_ranks(torch.stack(list(sums.values())) / len(batches)).tolist()
        norm = own_norm if own_norm is not None else self._engine.get_global_grad_norm()
        told = {} if norm is None else {"gradient_norm": float(norm)}
        return {**dict(zip(sums, mean, strict=True)), **told, "lr": self._lr * factor}

    def _check_finite(self, losses: dict[str, Tensor], batch: Batch) -> None:
        bad = {name: loss.item() for name, loss in losses.items() if not torch.isfinite(loss)}
        if distributed.any_rank(bool(bad), self.device):
            origins = ", ".join(str(origin) for origin in batch.origins[:8])
            more = f" and {len(batch.origins) - 8} more" if len(batch.origins) > 8 else ""
            found = f"{bad}" if bad else "finite here, not on another rank"
            raise NonFiniteLoss(
                f"step {self.step}: rank {distributed.rank()}: losses {found}; nothing was updated. The batch: "
                f"{origins}{more}. Lower optim.lr, or look at these samples"
            )

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


def _deepspeed_config(config: EngineConfig, micro_batch: int, world: int) -> dict[str, Any]:
    zero: dict[str, Any] = {"stage": config.zero_stage}
    if config.offload_optimizer:
        zero["offload_optimizer"] = {"device": "cpu", "pin_memory": torch.cuda.is_available()}
    if config.zero_stage == 3:
        zero["stage3_gather_16bit_weights_on_model_save"] = True
    return {
        "train_micro_batch_size_per_gpu": micro_batch,
        "gradient_accumulation_steps": config.accumulation_steps,
        "train_batch_size": micro_batch * config.accumulation_steps * world,
        "gradient_clipping": config.gradient_clipping,
        "zero_optimization": zero,
        "bf16": {"enabled": config.precision == "bf16"},
        "zero_allow_untested_optimizer": True,
        "zero_force_ds_cpu_optimizer": False,
        "steps_per_print": 10**9,
    }


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
