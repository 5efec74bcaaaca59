"""An objective that owns a trained head and a frozen teacher: trained, saved and loaded with the model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import deepspeed
import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional

from mcg.compat import Compat
from mcg.engine.deepspeed import Engine
from mcg.engine.saving import save_checkpoint
from mcg.engine.weights import load_weights
from mcg.objectives.bundle import Bundle
from mcg.objectives.config import ObjectiveConfig, ObjectivesConfig
from mcg.objectives.objective import Objective, PairObjective
from mcg.objectives.states import States
from tests.mcg.engine.small_engine import make_batch, make_engine
from tests.mcg.small_model import make_inputs, make_model


class DistillConfig(ObjectiveConfig):
    """Distillation: the video's features predict what a frozen teacher says of the mean frame."""

    builds = f"{__name__}:Distill"
    needs = ("video_features",)


class Distill(Objective):
    def __init__(self, config: DistillConfig, compat: Compat) -> None:
        super().__init__(config, compat)
        self.head = nn.Linear(8, 4)
        self.teacher = nn.Sequential(nn.Dropout(0.5), nn.Linear(3, 4)).requires_grad_(False)

    def forward(self, states: States) -> Tensor:
        target = self.teacher(states.once("mean colours", lambda: states["frames"].float().mean((1, 2, 3)) / 255))
        return functional.mse_loss(self.head(states.video_features), target)


class WithDistill(ObjectivesConfig):
    """The one entry that a new objective takes."""

    distill: DistillConfig | None = None


def _engine(device: torch.device, seed: int = 0, weights: Path | None = None, **fields: Any) -> Engine:
    torch.manual_seed(seed)
    objectives = WithDistill.model_validate({"distill": {"weight": 2.0}, "contrastive": {}}).build()
    model = make_model(seed=seed)
    if weights is not None:
        load_weights(model, weights)
    return make_engine(device, bundle=Bundle(model, objectives), **fields)


def _own(engine: Engine) -> dict[str, Tensor]:
    """Copies of the weights of the objective, whole also under ZeRO 3."""
    objective = engine.bundle.objectives["distill"]
    with deepspeed.zero.GatheredParameters(list(objective.parameters())):
        return {name: weight.detach().clone() for name, weight in objective.named_parameters()}


def _is_same(first: dict[str, Tensor], second: dict[str, Tensor], part: str) -> bool:
    names = [name for name in first if name.startswith(part)]
    assert names
    return all(torch.equal(first[name], second[name]) for name in names)


@pytest.mark.parametrize("stage", [0, 1, 3])
def test_a_head_is_trained_and_a_teacher_is_not(device: torch.device, tmp_path: Path, stage: int) -> None:
    engine = _engine(device, zero_stage=stage)
    before = _own(engine)
    losses = engine.train_step([make_batch()])
    after = _own(engine)
    assert losses["total"] == pytest.approx(2 * losses["distill"] + losses["contrastive"], rel=1e-5)
    assert not _is_same(before, after, "head") and _is_same(before, after, "teacher")
    assert not engine.bundle.objectives["distill"].teacher.training and engine.bundle.model.training

    # resumed, the head is where it was; what is scored and answered with is the model alone
    folder = save_checkpoint(tmp_path, engine, {}, {}, keep=1)
    other = _engine(device, seed=1, weights=folder, zero_stage=stage)
    assert not _is_same(_own(other), after, "teacher")
    other.load(folder, engine.step)
    assert _is_same(_own(other), after, "head") and _is_same(_own(other), after, "teacher")
    assert set(load_file(folder / "model.safetensors")) <= set(make_model().state_dict())
    engine.close()
    other.close()


def test_an_objective_without_parameters_leaves_the_state_of_a_run_as_it_is() -> None:
    bundle = Bundle(make_model(), ObjectivesConfig.model_validate({"contrastive": {}, "masked_lm": {}}).build())
    assert all(name.startswith("model.") for name in bundle.state_dict())


def test_what_an_objective_lacks_is_named() -> None:
    states = States(make_model(), make_inputs(), False)
    with pytest.raises(NotImplementedError, match="Objective must compute its loss"):
        Objective(DistillConfig())(states)
    with pytest.raises(NotImplementedError, match="PairObjective must compute its loss"):
        PairObjective(DistillConfig())(states)
