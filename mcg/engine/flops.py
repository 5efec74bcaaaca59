"""Floating-point operations: those of a model's forward pass, counted while it runs, and those a device can do.

Two operations for each multiplication and addition of matrix products, convolutions and attention; norms, softmaxes and
activations are not counted, as usual. A step does three times those of its forward pass, of which two are the backward
pass. What is computed a second time (activation checkpointing, engine.contrastive_batch) is not counted, so that the
share of the peak (MFU, model FLOPs utilisation; arXiv 2204.02311, appendix B) is of useful work.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from mcg.engine.gpus import find_gpu

BACKWARD = 2
"""Operations of a backward pass as a multiple of those of the forward pass."""


class Work(NamedTuple):
    """What a rank computes in a step."""

    flops: int
    """Operations of the forward and backward passes, as counted in one of the steps."""
    peak: float | None
    """Operations a second that the device can do; None where nobody has told."""

    def in_seconds(self, seconds: float) -> dict[str, float | None]:
        """For the log: 10^12 operations a second, and their share of the peak."""
        speed = self.flops / seconds
        return {"tflops": round(speed / 1e12, 4), "mfu": None if self.peak is None else round(speed / self.peak, 4)}


def step_work(forward: Callable[[], Any], batches: int, device: torch.device, precision: str) -> Work:
    """Of a step with so many batches; forward: the passes of one of them, which are made once."""
    peak = peak_flops(torch.cuda.get_device_name(device), precision) if device.type == "cuda" else None
    return Work((1 + BACKWARD) * forward_flops(forward) * batches, peak)


def forward_flops(forward: Callable[[], Any]) -> int:
    """Operations of a call, which is made once, without graph and uncompiled."""
    with (
        torch.no_grad(),
        torch.compiler.set_stance("force_eager"),
        sdpa_kernel(SDPBackend.MATH),  # the kernel of CPUs is not one that the counter knows
        FlopCounterMode(display=False) as counter,
    ):
        forward()
    return int(counter.get_total_flops())


def peak_flops(gpu: str, precision: str) -> float | None:
    """Operations a second of a GPU by its name; None where they are not known."""
    found = find_gpu(gpu)
    return None if found is None else found.peaks.get(precision)
