"""The engine's settings: defaults, bounds, units under each field."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from mcg.engine.config import CheckpointConfig, EngineConfig, LogConfig, OptimConfig

ALL = (EngineConfig, OptimConfig, CheckpointConfig, LogConfig)


@pytest.mark.parametrize("config", ALL)
def test_every_field_has_a_default_and_says_what_it_is(config: type[BaseModel]) -> None:
    config()
    assert not [name for name, field in config.model_fields.items() if not field.description]


@pytest.mark.parametrize(
    ("config", "values"),
    [
        (EngineConfig, {"zero_stage": 4}),
        (EngineConfig, {"precision": "fp8"}),
        (EngineConfig, {"precision": "fp16", "zero_stage": 0}),
        (EngineConfig, {"compile": True, "zero_stage": 3}),
        (EngineConfig, {"deepspeed": {"train_batch_size": 8}}),
        (EngineConfig, {"accumulation_steps": 0}),
        (EngineConfig, {"gradient_clipping": -1}),
        (EngineConfig, {"treads": 2}),
        (CheckpointConfig, {"keep": 0}),
        (CheckpointConfig, {"every_steps": 0}),
        (LogConfig, {"every_steps": 0}),
        (OptimConfig, {"lr": 0}),
        (OptimConfig, {"groups": {"vision(": {}}}),
        (OptimConfig, {"groups": {"temp": {"lr_factor": 0}}}),
    ],
)
def test_values_out_of_bounds_are_refused(config: type[BaseModel], values: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match=next(iter(values))):
        config.model_validate(values)


def test_a_contrast_is_a_whole_number_of_batches_of_one_step() -> None:
    engine = EngineConfig(accumulation_steps=8, contrastive_batch=64)
    assert engine.batches_of_contrast(16) == 4
    assert EngineConfig(accumulation_steps=8).batches_of_contrast(16) == 1
    told = r"engine\.contrastive_batch 64 must be data\.train\.batch_size {} times a divisor of engine\.acc.* 8"
    for batch_size in (24, 4, 128):
        with pytest.raises(ValueError, match=told.format(batch_size)):
            engine.batches_of_contrast(batch_size)
