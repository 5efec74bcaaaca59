"""The numbers of a plan follow from each other, and what cannot be planned is refused by name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from mcg.plan.plan import Plan, Prices, make_plan
from shards.base import UsageError
from tests.mcg.plan.small_plan import small_config


def _plan(tmp_path: Path, ranks: int = 2, gpu: str = "h200", *overrides: str, **told: Any) -> Plan:
    config = small_config("configs/pt.yaml", f"vars.data={tmp_path}", *overrides)
    return make_plan(config, ranks, gpu, prices=Prices(0.1, 0.5), **told)


def test_a_plan_without_data_knows_memory_and_speed(tmp_path: Path, device: torch.device) -> None:
    plan = _plan(tmp_path, sample_bytes=1e6)
    assert plan.fits and plan.memory_sum == sum(plan.memory.values()) and plan.micro_batch == 2
    assert plan.samples_per_second == pytest.approx(4 / plan.step.seconds)
    assert plan.bytes_per_second == pytest.approx(1e6 * plan.samples_per_second)
    assert plan.steps == 2 and plan.hours == pytest.approx(2 * plan.step.seconds / 3600)
    assert (plan.store_gb, plan.requests, plan.decoding_cores) == (pytest.approx(0.008), 8, None)
    assert plan.dollars == pytest.approx(0.008 * 0.1 + 8 / 1000 * 0.5)
    assert plan.to_dict()["fits"] is True


def test_passes_want_the_number_of_elements(tmp_path: Path, device: torch.device) -> None:
    passes = ("schedule.length.steps=null", "schedule.length.passes=3")
    assert _plan(tmp_path, 2, "h200", *passes).steps is None
    assert _plan(tmp_path, 2, "h200", *passes, elements=100).steps == 75


def test_the_cpu_of_this_machine_is_planned_by_a_step(captions: Path, device: torch.device) -> None:
    given = f"data.train.blend=[{{name: a, path: {captions}}}]"
    plan = make_plan(small_config("configs/demo/pt.yaml", given), 1, "cpu", prices=Prices(0, 0))
    assert plan.memory["modules"] > 3e8 and plan.step.compute > 0 and plan.decoding_cores is not None


def test_what_cannot_be_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"^--gpu x100: is not known; take one of B200, H200, .*, or cpu$"):
        _plan(tmp_path, 2, "x100")
    with pytest.raises(ValueError, match="batch_size"):
        _plan(tmp_path, 3)
