"""What DeepSpeed is given follows from our settings, takes any of its own beside them, and says nothing twice."""

from __future__ import annotations

import re

import pytest
import torch
from pydantic import ValidationError

from mcg.engine.config import EngineConfig
from mcg.engine.settings import deepspeed_settings
from mcg.launch.failures import explain
from tests.mcg.engine.small_engine import make_engine


def test_our_settings_become_its_settings() -> None:
    config = EngineConfig(zero_stage=3, precision="bf16", accumulation_steps=4, gradient_clipping=0.5)
    made = deepspeed_settings(config, 8, 2, has_cuda=False)
    assert made["zero_optimization"] == {"stage": 3, "stage3_gather_16bit_weights_on_model_save": True}
    assert (made["bf16"]["enabled"], made["fp16"]["enabled"], made["gradient_clipping"]) == (True, False, 0.5)
    assert (made["train_micro_batch_size_per_gpu"], made["gradient_accumulation_steps"]) == (8, 4)
    assert made["train_batch_size"] == 64


def test_further_settings_are_laid_over_ours_name_by_name() -> None:
    given = {
        "zero_optimization": {"offload_optimizer": {"device": "nvme", "nvme_path": "/fast"}, "overlap_comm": True},
        "fp16": {"initial_scale_power": 10},
        "communication_data_type": "fp32",
    }
    config = EngineConfig(zero_stage=2, precision="fp16", offload_optimizer=True, deepspeed=given)
    made = deepspeed_settings(config, 8, 1, has_cuda=True)
    assert made["zero_optimization"] == {
        "stage": 2,
        "offload_optimizer": {"device": "nvme", "pin_memory": True, "nvme_path": "/fast"},
        "overlap_comm": True,
    }
    assert made["fp16"] == {"enabled": True, "initial_scale_power": 10}
    assert made["communication_data_type"] == "fp32"


@pytest.mark.parametrize(
    ("path", "own"),
    [
        ("train_batch_size", "data.train.batch_size and engine.accumulation_steps"),
        ("gradient_accumulation_steps", "engine.accumulation_steps"),
        ("zero_optimization.stage", "engine.zero_stage"),
        ("bf16.enabled", "engine.precision"),
        ("optimizer", "optim"),
        ("activation_checkpointing", "engine.activation_checkpointing"),
    ],
)
def test_what_one_of_ours_decides_is_refused_by_its_name(path: str, own: str) -> None:
    given: object = 1
    for word in reversed(path.split(".")):
        given = {word: given}
    message = re.escape(f"{path} is decided by {own}; set that, and leave {path} out")
    with pytest.raises(ValidationError, match=message):
        EngineConfig.model_validate({"deepspeed": given})


def test_a_setting_reaches_deepspeed(device: torch.device) -> None:
    engine = make_engine(device, deepspeed={"zero_optimization": {"reduce_bucket_size": 12345}})
    assert engine._engine.zero_reduce_bucket_size() == 12345
    engine.close()


@pytest.mark.parametrize(
    ("name", "hint"), [("zero_optimisation", r"; did you mean zero_optimization\?"), ("loss_scale", "")]
)
def test_a_section_that_it_would_pass_over_is_refused(device: torch.device, name: str, hint: str) -> None:
    with pytest.raises(ValueError, match=rf"engine\.deepspeed\.{name}: is no setting of DeepSpeed [\d.]+{hint}$"):
        make_engine(device, deepspeed={name: {}})


def test_a_name_that_it_refuses_itself_is_told_in_a_line(device: torch.device) -> None:
    with pytest.raises(Exception, match="bucket") as refused:
        make_engine(device, deepspeed={"zero_optimization": {"reduce_buckets": 1}})
    told = explain(refused.value)
    assert told is not None and told.startswith("DeepSpeed refuses its settings: ") and "reduce_buckets" in told
