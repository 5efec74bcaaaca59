"""The sigmoid loss against a plain loop; its factor and bias are the objective's own, and learned."""

from __future__ import annotations

import math

import pytest
import torch
from torch.nn import functional

from mcg.objectives.bundle import Bundle
from mcg.objectives.config import ObjectivesConfig, SigmoidConfig
from mcg.objectives.over_pairs.sigmoid import Sigmoid, sigmoid_loss
from mcg.objectives.states import States
from tests.mcg.engine.small_engine import make_batch, make_engine
from tests.mcg.small_model import make_inputs, make_model


@pytest.mark.parametrize("num_samples", [1, 2, 7])
def test_the_loss_equals_a_plain_loop(num_samples: int) -> None:
    video, text = functional.normalize(torch.randn(2, num_samples, 5, generator=torch.manual_seed(0)), dim=-1)
    wanted = 0.0
    for i, v in enumerate(video.tolist()):
        for j, t in enumerate(text.tolist()):
            logit = 3.0 * sum(a * b for a, b in zip(v, t, strict=True)) - 1.0
            wanted += math.log(1 + math.exp(-logit if i == j else logit)) / num_samples
    assert sigmoid_loss(video, text, torch.tensor(3.0), torch.tensor(-1.0)).item() == pytest.approx(wanted, rel=1e-5)


def test_the_objective_compares_the_features_by_its_own_numbers() -> None:
    model, inputs = make_model().eval(), make_inputs()
    objective = Sigmoid(SigmoidConfig(temperature=0.2, bias=-3.0))
    states = States(model, inputs, False)
    wanted = sigmoid_loss(states.video_features, states.text_features, torch.tensor(5.0), torch.tensor(-3.0))
    found = objective(states)
    assert found.item() == pytest.approx(wanted.item(), rel=1e-5)
    found.backward()
    assert objective.log_scale.grad is not None and objective.bias.grad is not None and model.temp.grad is None


@pytest.mark.parametrize("stage", [0, 1, 3])
def test_factor_and_bias_are_trained(device: torch.device, stage: int) -> None:
    bundle = Bundle(make_model(), ObjectivesConfig.model_validate({"sigmoid": {"bias": -1.0}}).build())
    engine = make_engine(device, bundle=bundle, zero_stage=stage)
    losses = [engine.train_step([make_batch()])["sigmoid"] for _ in range(5)]
    assert losses[-1] < losses[0]
    if stage < 3:
        objective = engine.bundle.objectives["sigmoid"]
        assert objective.bias.item() != -1.0 and objective.log_scale.item() != pytest.approx(math.log(10))
    engine.close()
