"""Masked-language modelling against a plain loop; two ranks together give the loss of one."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import load_file
from torch.nn import functional

from mcg.objectives.config import MaskedLMConfig
from mcg.objectives.masked_lm import MaskedLM
from mcg.objectives.states import States
from tests.mcg.small_model import make_inputs, make_model


def test_the_loss_is_the_mean_over_the_masked_places() -> None:
    model, inputs = make_model().eval(), make_inputs()
    inputs["masked_labels"][2, 2] = inputs["text_ids"][2, 2]  # chosen, and left as it was
    states = States(model, inputs, False)
    found = MaskedLM(MaskedLMConfig())(states)
    masked = model.encode_text(inputs["masked_ids"], inputs["text_mask"].bool())
    logits = model.token_logits(model.fuse(masked, states.video).text_BLD)
    losses = []
    for b in range(4):
        for place in range(8):
            changed = inputs["masked_ids"][b, place] != inputs["text_ids"][b, place]
            if changed or (b, place) == (2, 2):
                losses.append(functional.cross_entropy(logits[b, place], inputs["text_ids"][b, place]))
    assert len(losses) == 5
    torch.testing.assert_close(found, torch.stack(losses).mean())


def test_the_mean_over_ranks_is_the_mean_over_all_masked_places(two_ranks: Path) -> None:
    one, ranks = load_file(two_ranks / "one.safetensors"), [load_file(two_ranks / f"{r}.safetensors") for r in (0, 1)]
    torch.testing.assert_close((ranks[0]["masked_lm"] + ranks[1]["masked_lm"]) / 2, one["masked_lm"])
    for name in (name for name in one if name.startswith("masked_lm gradient ")):
        torch.testing.assert_close((ranks[0][name] + ranks[1][name]) / 2, one[name], rtol=1e-5, atol=1e-6, msg=name)
