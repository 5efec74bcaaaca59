"""Optimiser groups hold every trained parameter once, decay matrices only, and follow the patterns of a config."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from mcg.engine.config import OptimConfig
from mcg.engine.optim import build_optimizer
from tests.mcg.engine.small_engine import make_bundle
from tests.mcg.small_model import make_model

CONFIG = OptimConfig(lr=1e-3, weight_decay=0.1)


def _groups(module: torch.nn.Module, groups: dict[str, Any] | None = None) -> list[tuple[set[str], dict[str, Any]]]:
    """(names, settings) of each group of the optimiser."""
    names = {id(p): name for name, p in module.named_parameters()}
    made = build_optimizer(module, OptimConfig.model_validate({**CONFIG.model_dump(), "groups": groups or {}}))
    return [({names[id(p)] for p in group["params"]}, group) for group in made.param_groups]


def _names(module: torch.nn.Module, decay: float) -> set[str]:
    return {name for names, group in _groups(module) if group["weight_decay"] == decay for name in names}


def test_every_parameter_is_in_one_group() -> None:
    model = make_model()
    held = [name for names, _ in _groups(model) for name in names]
    assert len(held) == len(set(held))
    assert set(held) == {name for name, _ in model.named_parameters()}


def test_matrices_are_decayed_and_nothing_else() -> None:
    free, decayed = _names(make_model(), 0.0), _names(make_model(), 0.1)
    assert {"temp", "vision.pos_embed", "vision.time_embed", "vision.cls_token"} <= free
    assert {"vision.norm.weight", "text.bert.embeddings.position_embeddings.weight"} <= free
    assert not [name for name in decayed if name.endswith("bias") or "norm" in name.lower() or "position" in name]
    assert {"vision.blocks.0.attn.qkv.weight", "text.bert.embeddings.word_embeddings.weight"} <= decayed
    assert "vision.patch_embed.proj.weight" in decayed


def test_frozen_parameters_are_in_no_group() -> None:
    model = make_model()
    model.vision.requires_grad_(False)
    held = {name for names, _ in _groups(model) for name in names}
    assert held == {name for name, p in model.named_parameters() if not name.startswith("vision.")}


def test_a_group_without_a_parameter_is_left_out() -> None:
    assert len(_groups(torch.nn.Linear(2, 2, bias=False))) == 1


def test_settings_reach_adamw() -> None:
    group = build_optimizer(make_model(), OptimConfig(lr=3e-4, betas=(0.8, 0.9), eps=1e-7)).param_groups[0]
    assert (group["lr"], group["betas"], group["eps"]) == (3e-4, (0.8, 0.9), 1e-7)


# ------------------------------------------------------------ groups by pattern


def test_a_pattern_gives_its_parameters_a_rate_of_their_own() -> None:
    model = make_model()
    found = _groups(model, {r"vision\..+": {"lr_factor": 0.1}})
    slow = [(names, group) for names, group in found if group["lr"] == 1e-3 * 0.1]
    assert [group["weight_decay"] for _, group in slow] == [0.1, 0.0]  # decayed as without a group
    assert {name for names, _ in slow for name in names} == {n for n, _ in model.named_parameters() if "vision." in n}
    held = [name for names, _ in found for name in names]
    assert len(held) == len(set(held)) == len(list(model.named_parameters()))


def test_a_decay_that_a_group_names_is_for_all_of_it() -> None:
    found = _groups(make_model(), {r"vision\.norm\..+": {"weight_decay": 0.3}})
    assert [names for names, group in found if group["weight_decay"] == 0.3] == [
        {"vision.norm.weight", "vision.norm.bias"}
    ]


def test_a_frozen_group_keeps_its_values() -> None:
    bundle = make_bundle()  # its names are those of checkpoints, without the bundle's own prefix
    found = _groups(bundle, {r"(?!.*norm).+": {"frozen": True}})
    held = {name for names, _ in found for name in names}
    assert held and all("norm" in name.lower() or "Norm" in name for name in held)
    assert {name for name, p in bundle.named_parameters() if p.requires_grad} == held


def test_a_tied_parameter_is_found_by_each_of_its_names() -> None:
    model = make_model()
    tied = "decoder.bert.cls.predictions.decoder.weight"
    assert tied not in dict(model.named_parameters())
    found = _groups(model, {tied.replace(".", r"\."): {"lr_factor": 0.5}})
    assert [names for names, group in found if group["lr"] == 5e-4] == [
        {"decoder.bert.bert.embeddings.word_embeddings.weight"}
    ]


@pytest.mark.parametrize(
    ("groups", "message"),
    [
        (
            {r"visoin\..+": {}},
            r"optim\.groups: 'visoin.*' matches the whole name of no parameter; names are such as temp, "
            r"vision\.cls_token",
        ),
        (
            {r"vision\..+": {}, r".+\.bias": {}},
            r"optim\.groups: 'vision.*' and '.*bias' both match vision\..*bias; write patterns of which one alone does",
        ),
        ({r".+": {"frozen": True}}, r"every parameter is frozen, so there is nothing to train"),
    ],
)
def test_patterns_that_do_not_sort_the_parameters_are_named(groups: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        _groups(make_model(), groups)
