"""Losses and gradients that are not finite stop a step before its update, on every rank."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from mcg import distributed
from shards import Batch
from shards.base import PrintableError


class NonFiniteLoss(PrintableError, RuntimeError):
    """A loss became nan or inf; the weights are those before the step."""


class NonFiniteGradient(PrintableError, RuntimeError):
    """The gradient became nan or inf, where the loss had not; the weights are those before the step."""


def check_losses(step: int, losses: Mapping[str, Tensor], batch: Batch) -> None:
    """Raise NonFiniteLoss where a loss of any rank is not finite; losses: scalars of this rank by name."""
    bad = {name: loss.item() for name, loss in losses.items() if not torch.isfinite(loss)}
    if distributed.any_rank(bool(bad), next(iter(losses.values())).device):
        found = f"{bad}" if bad else "finite here, not on another rank"
        raise NonFiniteLoss(
            f"step {step}: rank {distributed.rank()}: losses {found}; nothing was updated. The batch: "
            f"{_origins([batch])}. Lower optim.lr, or look at these samples"
        )


def check_norm(step: int, norm: Any, batches: Sequence[Batch]) -> None:
    """Raise NonFiniteGradient where the norm of the gradient, which is the same on all ranks, is not finite. norm: None
    where nobody has computed it."""
    if norm is None or 0 <= float(norm) < float("inf"):
        return
    raise NonFiniteGradient(
        f"step {step}: rank {distributed.rank()}: the losses are finite and the norm of the gradient is not "
        f"({float(norm)}); nothing was updated. The batch: {_origins(batches)}. Lower optim.lr, or look at these "
        "samples; engine.precision: fp32 tells whether it is bf16"
    )


def _origins(batches: Sequence[Batch]) -> str:
    """Where the first samples of a step came from."""
    found = [str(origin) for batch in batches for origin in batch.origins]
    return ", ".join(found[:8]) + (f" and {len(found) - 8} more" if len(found) > 8 else "")
