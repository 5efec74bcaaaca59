"""Operations are counted as the arithmetic says, and a step's are three times those of its forward passes."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from mcg.engine.flops import Work, forward_flops, peak_flops
from tests.mcg.engine.small_engine import make_batch, make_engine


def test_products_and_attention_are_counted_and_nothing_is_kept() -> None:
    left, right = torch.rand(3, 5, requires_grad=True), torch.rand(5, 7)
    assert forward_flops(lambda: left @ right) == 2 * 3 * 5 * 7
    query = torch.rand(2, 4, 6, 8)  # batch, heads, length, channels of a head
    assert forward_flops(lambda: functional.scaled_dot_product_attention(query, query, query)) == 2 * (
        2 * (2 * 4) * 6 * 6 * 8
    )
    assert left.grad is None


def test_counting_changes_no_step_and_grows_with_the_batches(device: torch.device) -> None:
    counted, known = make_engine(device), make_engine(device)
    known.work = Work(1, None)
    assert counted.train_step([make_batch(0)]) == known.train_step([make_batch(0)])
    twice = make_engine(device, accumulation_steps=2)
    twice.train_step([make_batch(0), make_batch(1)])
    assert counted.work is not None and twice.work is not None
    assert counted.work.flops > 1e6 and twice.work.flops == 2 * counted.work.flops
    assert counted.work.peak is None  # nobody tells that of a CPU


def test_a_share_of_the_peak_is_told_where_it_is_known() -> None:
    assert Work(2 * 10**12, 8e12).in_seconds(0.5) == {"tflops": 4.0, "mfu": 0.5}
    assert Work(2 * 10**12, None).in_seconds(0.5) == {"tflops": 4.0, "mfu": None}


@pytest.mark.parametrize(
    ("gpu", "precision", "peak"),
    [
        ("NVIDIA H200", "bf16", 989e12),
        ("NVIDIA A100-SXM4-80GB", "bf16", 312e12),
        ("NVIDIA H100 PCIe", "fp16", 756e12),
        ("NVIDIA L40S", "fp32", 91.6e12),
        ("NVIDIA L4", "bf16", 121e12),
        ("Tesla V100-SXM2-16GB", "bf16", None),
        ("Tesla T4", "fp16", 65e12),
        ("Radeon", "bf16", None),
    ],
)
def test_the_peak_is_that_of_the_gpu_that_is_named(gpu: str, precision: str, peak: float | None) -> None:
    assert peak_flops(gpu, precision) == peak
