"""A trial finds the parameters, operations and memory of a run from a few made-up samples, whatever its task."""

from __future__ import annotations

import pytest
import torch

from mcg.engine.tensors import to_tensors
from mcg.plan.trial import Trial, build, made_up, passes, try_out
from tests.mcg.plan.small_plan import small_config


def _trial(name: str = "configs/pt.yaml", *overrides: str) -> Trial:
    config = small_config(name, "engine.precision=fp32", *overrides)
    return try_out(config, *build(config))


@pytest.mark.parametrize("name", ["configs/pt.yaml", "configs/ft_nextqa_mc.yaml", "configs/ft_msvd_qa.yaml"])
def test_every_task_makes_up_a_batch_that_trains_all_that_is_to_be_trained(name: str) -> None:
    config = small_config(name, "engine.precision=fp32")
    bundle, task = build(config)
    batch = made_up(task, 3)
    assert len(batch.valid) == 3 and batch.frames.shape[0] == 3
    passes(bundle, to_tensors(batch, torch.device("cpu")))
    assert any(p.grad is not None and p.grad.abs().sum() > 0 for p in bundle.parameters())
    trial = try_out(config, bundle, task)
    assert trial.trained + trial.frozen == sum(p.numel() for p in bundle.parameters())
    assert trial.flops > 0 and trial.activations.each > 0 and trial.sample_bytes > batch.frames[0].nbytes


def test_activations_are_fewer_when_they_are_computed_again_and_operations_as_many() -> None:
    deep = ("model.vision.depth=6", "model.text.num_layers=6")
    kept, again = (
        _trial("configs/pt.yaml", *deep),
        _trial("configs/pt.yaml", *deep, "engine.activation_checkpointing=true"),
    )
    assert again.activations.each < 0.7 * kept.activations.each
    assert again.flops == kept.flops


def test_bf16_takes_half_the_activations() -> None:
    wide = ("model.vision.width=128", "model.text.width=128")
    whole = _trial("configs/pt.yaml", *wide)
    half = _trial("configs/pt.yaml", *wide, "engine.precision=bf16")
    assert 0.4 < half.activations.each / whole.activations.each < 0.75
    assert half.trained == whole.trained
