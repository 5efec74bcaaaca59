"""What GPUs can do and hold, by name, from NVIDIA's data sheets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Gpu:
    """One GPU."""

    memory: int
    """Bytes."""
    peaks: Mapping[str, float]
    """Operations a second by precision, dense."""
    link: float
    """Bytes a second that it sends to another GPU of its node."""


def _gpu(memory_gb: float, half: float, single: float, link_gb: float, bf16: bool = True) -> Gpu:
    """half, single: 10^12 operations a second of 16 bits (bf16: of both formats) and of fp32."""
    peaks = {"fp16": half * 1e12, "fp32": single * 1e12, **({"bf16": half * 1e12} if bf16 else {})}
    return Gpu(int(memory_gb * 1e9), peaks, link_gb * 1e9)


GPUS = {
    "B200": _gpu(180, 2250, 80, 900),
    "H200": _gpu(141, 989, 67, 450),
    "H100 PCIe": _gpu(80, 756, 51, 64),
    "H100": _gpu(80, 989, 67, 450),
    "A100-SXM4-40GB": _gpu(40, 312, 19.5, 300),
    "A100": _gpu(80, 312, 19.5, 300),
    "A10G": _gpu(24, 70, 35, 32),
    "L40S": _gpu(48, 362, 91.6, 32),
    "L4": _gpu(24, 121, 30.3, 32),
    "V100": _gpu(16, 125, 15.7, 150, bf16=False),
    "T4": _gpu(16, 65, 8.1, 16, bf16=False),
    "RTX 4090": _gpu(24, 165, 82.6, 32),
    "RTX 3090": _gpu(24, 71, 35.6, 32),
}
"""Part of the name that torch gives a GPU -> what is known of it."""


def find_gpu(name: str) -> Gpu | None:
    """The first of the known GPUs whose name is part of this one, capitals or not; None for another one."""
    return next((gpu for known, gpu in GPUS.items() if known.lower() in name.lower()), None)
