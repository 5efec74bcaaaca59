"""Weights, gradients and optimiser take what the ZeRO stages say, and no rank is told less than its share."""

from __future__ import annotations

import pytest

from mcg.plan.memory import memory_of_batches, memory_of_state, memory_on_cpu, memory_on_gpu
from tests.mcg.plan.small_plan import TRIAL, small_config

MB = 1_000_000


@pytest.mark.parametrize(
    ("precision", "stage", "weights", "gradients", "optimiser"),
    [
        ("fp32", 0, 6 * MB, 4 * MB, 8 * MB),
        ("fp32", 1, 6 * MB, 4 * MB, 3 * MB),
        ("bf16", 0, 3 * MB, 6 * MB, 12 * MB),
        ("bf16", 1, 3 * MB, 2 * MB, 3 * MB),
        ("bf16", 2, 3 * MB, MB // 2, 3 * MB),
        ("bf16", 3, 3 * MB // 4 + 3 * MB, MB // 2, 3 * MB),
    ],
)
def test_state_is_split_over_four_ranks_as_the_stage_says(
    precision: str, stage: int, weights: int, gradients: int, optimiser: int
) -> None:
    config = small_config("configs/pt.yaml", f"engine.precision={precision}", f"engine.zero_stage={stage}")
    assert memory_of_state(config, TRIAL, 4) == {"weights": weights, "gradients": gradients, "optimiser": optimiser}


def test_an_offloaded_optimiser_is_not_on_the_gpu() -> None:
    config = small_config("configs/pt.yaml", "engine.offload_optimizer=true")
    assert memory_of_state(config, TRIAL, 4)["optimiser"] == 0


def test_more_samples_take_more_and_one_rank_needs_no_nccl() -> None:
    config = small_config()
    few, many = (sum(memory_on_gpu(config, TRIAL, 4, size).values()) for size in (8, 16))
    assert many - few >= 8 * TRIAL.activations.each
    assert sum(memory_on_gpu(config, TRIAL, 1, 8).values()) < few + 12 * MB
    cpu = memory_on_cpu(config, TRIAL, 4, 8, 700 * MB)
    assert cpu["modules"] > 700 * MB and cpu["activations"] == 17 * MB


def test_the_host_holds_the_batches_of_a_step_and_those_made_ahead() -> None:
    config = small_config("configs/pt.yaml", "engine.accumulation_steps=4", "data.train.prefetch_batches=3")
    assert memory_of_batches(config, TRIAL, 8) == 8 * TRIAL.sample_bytes * (4 + 3 + 1)
