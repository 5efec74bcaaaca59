"""The bundle gives each loss by name and their weighted sum."""

from __future__ import annotations

import pytest
import torch

from mcg.objectives.bundle import Bundle
from mcg.objectives.config import ObjectivesConfig
from tests.mcg.small_model import OBJECTIVES, make_inputs, make_model

INPUTS = {**make_inputs(), "label": torch.tensor([0, 4, 2, 2])}


def _losses(**weights: float) -> dict[str, torch.Tensor]:
    chosen = {name: {"weight": weight} for name, weight in weights.items()}
    model = make_model(matching_head=True, num_classes=5).eval()
    return Bundle(model, ObjectivesConfig.model_validate(chosen).build())(INPUTS, seed=0)


def test_losses_are_named_and_summed_by_weight() -> None:
    weights = {name: (2.0, 0.5, 0.25, 1.0, 0.75, 3.0)[number % 6] for number, name in enumerate(OBJECTIVES)}
    losses = _losses(**weights)
    assert list(losses) == [*OBJECTIVES, "total"]
    expected = sum(weight * losses[name] for name, weight in weights.items())
    torch.testing.assert_close(losses["total"], expected)
    assert all(loss.shape == () for loss in losses.values())


def test_an_objective_gives_the_same_loss_alone_as_in_company() -> None:
    together = _losses(**dict.fromkeys(OBJECTIVES, 1.0))
    for name in OBJECTIVES:
        torch.testing.assert_close(_losses(**{name: 1.0})[name], together[name])


def test_an_objective_of_weight_zero_is_not_computed() -> None:
    assert list(_losses(contrastive=1.0, masked_lm=0.0)) == ["contrastive", "total"]


def test_nothing_to_train_on_is_refused() -> None:
    with pytest.raises(ValueError, match="objectives: none has a weight above 0, so there is nothing to train on"):
        _losses(contrastive=0.0)


def test_model_and_objectives_stay_apart() -> None:
    model = make_model()
    bundle = Bundle(model, ObjectivesConfig.model_validate({"contrastive": {}}).build())
    assert {name.partition(".")[0] for name in bundle.state_dict()} == {"model"}


def test_a_use_runs_its_own_objectives_and_no_pass_more() -> None:
    """As many passes as a bundle of these objectives alone has."""
    model = make_model(matching_head=True, num_classes=5).eval()
    own = {"contrastive": {}, "masked_lm": {"weight": 0.5}}
    alone = Bundle(model, ObjectivesConfig.model_validate(own).build())
    several = {f"a:{name}": one for name, one in ObjectivesConfig.model_validate(own).build().items()}
    several |= {f"b:{name}": one for name, one in ObjectivesConfig.model_validate({"generation": {}}).build().items()}
    bundle = Bundle(model, several)
    passes: list[str] = []
    for name, part in model.named_modules():
        part.register_forward_hook(lambda *_, name=name: passes.append(name))
    expected = alone(INPUTS, seed=0)
    once = len(passes)
    found = bundle(INPUTS, seed=0, use="a")
    assert len(passes) == 2 * once
    assert list(found) == ["contrastive", "masked_lm", "total"]
    assert all(torch.equal(found[name], expected[name]) for name in expected)
    assert list(bundle(INPUTS, seed=0, use="b")) == ["generation", "total"]


@pytest.mark.parametrize("use", [None, "c"])
def test_a_use_that_is_not_there_is_refused(use: str | None) -> None:
    made = ObjectivesConfig.model_validate({"contrastive": {}}).build()["contrastive"]
    bundle = Bundle(make_model(), {"a:contrastive": made, "b:contrastive": made})
    with pytest.raises(ValueError, match=r"has no use .*; it has 'a', 'b'"):
        bundle(INPUTS, seed=0, use=use)
