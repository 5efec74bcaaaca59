"""T2VLP's keys: those of towers and tubes become ours, what its release never runs is dropped; values: tests/parity."""

from __future__ import annotations

import json

import torch

from mcg.convert.families.t2vlp import TOWER_RULES
from tests.parity.released import GOLDEN
from tests.parity.released_t2vlp import Towers


def test_every_key_of_towers_and_tubes_is_used_or_dropped_with_a_reason() -> None:
    facts = json.loads((GOLDEN / "t2vlp_visual_c.json").read_text())
    with torch.device("meta"):
        ours = Towers(facts["config"]).state_dict()
        given = {key: torch.empty(shape) for key, shape in facts["state_dict"].items()}
    made, dropped = {}, []
    for key, tensor in given.items():
        rule = next(rule for rule in TOWER_RULES if rule.apply(key) is not None)
        made.update(rule.weights(key, tensor))
        dropped += [] if rule.targets else [(key, rule.reason)]
    assert {name: weight.shape for name, weight in made.items()} == {name: w.shape for name, w in ours.items()}
    never_run = "made with the release's model, and never run"
    local = ("class_embedding", "positional_embedding", "conv1.weight", "ln_pre.weight", "ln_pre.bias")
    assert dropped == [
        *((f"clip.local_visual.{name}", never_run) for name in local),
        ("clip.lm_head.weight", never_run),
        ("clip.lm_head.bias", never_run),
    ]


def test_the_fusion_is_left_to_rules_of_its_own() -> None:
    for key in ("clip.fusion_transformer.resblocks.0.ln_1.weight", "clip.fusion_positional_embedding"):
        assert all(rule.apply(key) is None for rule in TOWER_RULES)
