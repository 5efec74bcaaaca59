"""A step on a GPU takes its operations over the speed that is reached, or what is sent; one on the CPU is done."""

from __future__ import annotations

from typing import Any

import pytest

from mcg.engine.gpus import GPUS
from mcg.plan.data import DataFacts
from mcg.plan.timing import StepTime, time_on_cpu, time_on_gpu
from mcg.plan.trial import build, made_up
from tests.mcg.plan.small_plan import TRIAL, small_config


def _time(world: int = 1, *overrides: str, **told: Any) -> StepTime:
    given: dict[str, Any] = {"mfu": 0.5, "per_node": 8, "network": 25e9, "gpu": GPUS["A100"]} | told
    return time_on_gpu(small_config("configs/pt.yaml", *overrides), TRIAL, world, 100, **given)


def test_computing_is_operations_over_the_share_of_the_peak() -> None:
    assert _time().compute == pytest.approx(3e9 * 100 / (312e12 * 0.5))
    assert _time(1, "engine.activation_checkpointing=true").compute == pytest.approx(4 / 3 * _time().compute)
    assert _time(1, "engine.accumulation_steps=4").compute == pytest.approx(4 * _time().compute)
    cached = _time(1, "engine.accumulation_steps=4", "engine.contrastive_batch=16")
    assert cached.compute == pytest.approx(4 * 4 / 3 * _time().compute)


def test_what_is_sent_counts_where_it_takes_longer() -> None:
    assert _time().communication == 0
    inside, between = _time(8), _time(16)
    assert between.communication > inside.communication > 0
    slow = _time(16, network=1e6)
    assert slow.seconds == slow.communication == pytest.approx(2 * 2 * 1e6 * 15 / 16 / 1e6)
    assert _time(8, "engine.zero_stage=3").communication == pytest.approx(1.5 * inside.communication)


def test_a_gpu_without_the_precision_is_refused() -> None:
    with pytest.raises(ValueError, match=r"engine\.precision: bf16 is not for this GPU; take one of \['fp16'"):
        _time(gpu=GPUS["V100"])


def test_on_the_cpu_a_step_is_done_and_the_loader_takes_its_share() -> None:
    config = small_config("configs/pt.yaml", "engine.precision=fp32")
    bundle, task = build(config)
    batch = made_up(task, 4)
    free = DataFacts(None, None, None, None, None)
    dear = DataFacts(None, None, None, 10.0, None)
    alone = time_on_cpu(config, bundle, batch, TRIAL, free, 1)
    assert 0.5 < alone.compute < 60 and alone.loader == alone.communication == 0  # 0.5 s are the update's
    assert time_on_cpu(config, bundle, batch, TRIAL, dear, 1).loader > 1
    assert time_on_cpu(config, bundle, batch, TRIAL, free, 1000).compute > 100 * 0.5
