"""Optimiser groups hold every trained parameter once, and decay matrices only."""

from __future__ import annotations

import torch

from mcg.engine.optim import OptimConfig, build_optimizer, parameter_groups
from tests.mcg.small_model import make_model

CONFIG = OptimConfig(lr=1e-3, weight_decay=0.1)


def _names(decay: float) -> set[str]:
    model = make_model()
    names = {id(p): name for name, p in model.named_parameters()}
    groups = [group for group in parameter_groups(model, CONFIG) if group["weight_decay"] == decay]
    return {names[id(p)] for group in groups for p in group["params"]}


def test_every_parameter_is_in_one_group() -> None:
    model = make_model()
    held = [id(p) for group in build_optimizer(model, CONFIG).param_groups for p in group["params"]]
    assert len(held) == len(set(held))
    assert set(held) == {id(p) for p in model.parameters()}


def test_matrices_are_decayed_and_nothing_else() -> None:
    free = _names(0.0)
    assert {"temp", "vision.pos_embed", "vision.time_embed", "vision.cls_token"} <= free
    assert {"vision.norm.weight", "text.bert.embeddings.position_embeddings.weight"} <= free
    assert not [name for name in _names(0.1) if name.endswith("bias") or "norm" in name.lower() or "position" in name]
    decayed = _names(0.1)
    assert {"vision.blocks.0.attn.qkv.weight", "text.bert.embeddings.word_embeddings.weight"} <= decayed
    assert "vision.patch_embed.proj.weight" in decayed


def test_frozen_parameters_are_in_no_group() -> None:
    model = make_model()
    model.vision.requires_grad_(False)
    held = {id(p) for group in parameter_groups(model, CONFIG) for p in group["params"]}
    assert held == {id(p) for name, p in model.named_parameters() if not name.startswith("vision.")}


def test_a_group_without_a_parameter_is_left_out() -> None:
    assert len(parameter_groups(torch.nn.Linear(2, 2, bias=False), CONFIG)) == 1


def test_settings_reach_adamw() -> None:
    group = build_optimizer(make_model(), OptimConfig(lr=3e-4, betas=(0.8, 0.9), eps=1e-7)).param_groups[0]
    assert (group["lr"], group["betas"], group["eps"]) == (3e-4, (0.8, 0.9), 1e-7)
