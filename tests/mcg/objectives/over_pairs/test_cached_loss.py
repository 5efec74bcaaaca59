"""A loss over the pairs of several micro-batches has the gradients that it has with all of them in one graph."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from mcg.objectives.bundle import Bundle
from mcg.objectives.config import ObjectivesConfig
from mcg.objectives.objective import PairObjective
from mcg.objectives.over_pairs.cached_loss import PairFeatures
from mcg.objectives.states import States
from tests.mcg.small_model import make_inputs, make_model, text_config, vision_config

MICRO_BATCHES, SIZE = 3, 4
WEIGHTS = {
    "contrastive": 1.0,
    "sigmoid": 0.5,
    "token_contrast": 1.0,
    "masked_lm": 1.0,
    "matching": 0.7,
    "generation": 1,
}


def _bundle(**fields: Any) -> Bundle:
    """With dropout and drop path, so that other random numbers would show."""
    model = make_model(matching_head=True, text=text_config(dropout=0.2), vision=vision_config(drop_path=0.3), **fields)
    chosen: dict[str, Any] = {name: {"weight": weight} for name, weight in WEIGHTS.items()}
    chosen["sigmoid"]["bias"] = -1.0
    return Bundle(model, ObjectivesConfig.model_validate(chosen).build()).train()


def _batches() -> list[dict[str, Tensor]]:
    return [make_inputs(SIZE, seed) for seed in range(MICRO_BATCHES)]


def _gradients(bundle: Bundle) -> dict[str, Tensor]:
    return {name: p.grad.clone() for name, p in bundle.named_parameters() if p.grad is not None}


def _in_one_graph(bundle: Bundle) -> tuple[float, dict[str, Tensor]]:
    """Every micro-batch with its own random numbers, the losses over pairs of all their features."""
    totals, features = [], []
    for number, inputs in enumerate(_batches()):
        torch.manual_seed(number)
        states = States(bundle.model, inputs, with_attention=True, seed=number)
        features.append(states.pair_features)
        others = {n: o for n, o in bundle.objectives.items() if not isinstance(o, PairObjective)}
        totals.append(torch.stack([WEIGHTS[name] * objective(states) for name, objective in others.items()]).sum())
    video, text = (torch.cat([one[i] for one in features]) for i in (0, 1))
    whole = PairFeatures(video, text, features[0].temperature)
    over_pairs = [WEIGHTS[n] * o.loss(whole) for n, o in bundle.objectives.items() if isinstance(o, PairObjective)]
    total = torch.stack(totals).mean() + torch.stack(over_pairs).sum()
    total.backward()
    return total.item(), _gradients(bundle)


def _cached(bundle: Bundle) -> tuple[float, dict[str, Tensor]]:
    features, totals = [], []
    with torch.no_grad():
        for number, inputs in enumerate(_batches()):
            torch.manual_seed(number)
            features.append(bundle(inputs, number, only_features=True))
    parts = bundle.over_pairs(features, _batches(), seed=0)
    for number, inputs in enumerate(_batches()):
        torch.manual_seed(number)
        losses = bundle(inputs, number, known=parts[number])
        (losses["total"] / MICRO_BATCHES).backward()
        totals.append(losses["total"].item())
    return sum(totals) / MICRO_BATCHES, _gradients(bundle)


@pytest.mark.parametrize("checkpointing", [False, True])
def test_gradients_are_those_of_one_graph(checkpointing: bool) -> None:
    bundle = _bundle()
    total, wanted = _in_one_graph(bundle)
    bundle.zero_grad()
    bundle.model.checkpoint_activations(checkpointing)
    found_total, found = _cached(bundle)
    assert found_total == pytest.approx(total, rel=1e-5)
    assert set(found) == set(wanted) > {"model.temp", "objectives.sigmoid.bias", "objectives.sigmoid.log_scale"}
    for name, gradient in wanted.items():
        # relative to all weights of the step: some gradients are 0 but for rounding
        assert (found[name] - gradient).norm() <= 1e-5 * max(1.0, float(gradient.norm())), name


def test_two_ranks_of_two_micro_batches_have_the_gradients_of_one_batch(two_ranks: Path) -> None:
    one = load_file(two_ranks / "one.safetensors")
    ranks = [load_file(two_ranks / f"{rank}.safetensors") for rank in (0, 1)]
    names = [name for name in one if name.startswith("cached")]
    assert {"cached total", "cached model.temp", "cached objectives.sigmoid.bias"} < set(names)
    for name in names:
        torch.testing.assert_close((ranks[0][name] + ranks[1][name]) / 2, one[name], rtol=1e-4, atol=1e-5, msg=name)
