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

BACKWARD = 2
"""Operations of a backward pass as a multiple of those of the forward pass."""
_PEAKS = {
    "H200": {"bf16": 989e12, "fp16": 989e12, "fp32": 67e12},
    "H100 PCIe": {"bf16": 756e12, "fp16": 756e12, "fp32": 51e12},
    "H100": {"bf16": 989e12, "fp16": 989e12, "fp32": 67e12},
    "B200": {"bf16": 2250e12, "fp16": 2250e12, "fp32": 80e12},
    "A100": {"bf16": 312e12, "fp16": 312e12, "fp32": 19.5e12},
    "A10G": {"bf16": 70e12, "fp16": 70e12, "fp32": 35e12},
    "L40S": {"bf16": 362e12, "fp16": 362e12, "fp32": 91.6e12},
    "L4": {"bf16": 121e12, "fp16": 121e12, "fp32": 30.3e12},
    "V100": {"fp16": 125e12, "fp32": 15.7e12},
    "T4": {"fp16": 65e12, "fp32": 8.1e12},
    "RTX 4090": {"bf16": 165e12, "fp16": 165e12, "fp32": 82.6e12},
    "RTX 3090": {"bf16": 71e12, "fp16": 71e12, "fp32": 35.6e12},
}
"""Part of a GPU's name -> operations a second by precision, dense, from NVIDIA's data sheets; the first that fits."""
GPUS = tuple(_PEAKS)


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
    """Operations a second of a GPU whose name contains one that is known; None for another one."""
    found = next((peaks for name, peaks in _PEAKS.items() if name.lower() in gpu.lower()), {})
    return found.get(precision)
