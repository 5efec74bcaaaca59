"""Masked-language modelling against a plain loop; two ranks together give the loss of one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch.nn import functional

from mcg.objectives.config import MaskedLMConfig
from mcg.objectives.masked_lm import MaskedLM
from mcg.objectives.states import States
from mcg.text.masked_words import MaskedWords
from tests.mcg.small_lavender import CAPTIONS, frames, make_lavender
from tests.mcg.small_model import make_inputs, make_model, model_config


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


def test_captions_are_learned_from_what_stands_before() -> None:
    """Against one pass for each masked word, over nothing but what it may see."""
    model, texts, video = make_lavender(), MaskedWords(), frames()
    rows = [texts.caption(text, 14, 0.4, np.random.default_rng(number)) for number, text in enumerate(CAPTIONS)]
    padded = {
        name: torch.nn.utils.rnn.pad_sequence([torch.from_numpy(row[name]) for row in rows], batch_first=True)
        for name in rows[0]
    }
    found = MaskedLM(MaskedLMConfig(causal=True))(States(model, {"frames": video, **padded}, False))
    losses = []
    for number, row in enumerate(rows):
        states = model.encode_video(video[[number]])
        for place in np.flatnonzero(row["masked_labels"] != -100):
            ids = torch.from_numpy(row["masked_ids"][: place + 1])[None]
            fused = model.fuse(model.encode_text(ids, torch.ones_like(ids).bool()), states, causal=True)
            label = torch.tensor(row["masked_labels"][place])
            losses.append(functional.cross_entropy(model.token_logits(fused.text_BLD[0, -1]), label))
    assert len(losses) > 4
    torch.testing.assert_close(found, torch.stack(losses).mean())
    both_ways = MaskedLM(MaskedLMConfig())(States(model, {"frames": video, **padded}, False))
    assert not torch.allclose(found, both_ways)


def test_a_model_that_cannot_see_from_left_to_right_is_refused() -> None:
    with pytest.raises(ValueError, match=r"objectives\.masked_lm\.causal: this model has no causal.*; leave it out"):
        MaskedLMConfig(causal=True).check_model(model_config())
    MaskedLMConfig().check_model(model_config())


def test_the_mean_over_ranks_is_the_mean_over_all_masked_places(two_ranks: Path) -> None:
    one, ranks = load_file(two_ranks / "one.safetensors"), [load_file(two_ranks / f"{r}.safetensors") for r in (0, 1)]
    torch.testing.assert_close((ranks[0]["masked_lm"] + ranks[1]["masked_lm"]) / 2, one["masked_lm"])
    for name in (name for name in one if name.startswith("masked_lm gradient ")):
        torch.testing.assert_close((ranks[0][name] + ranks[1][name]) / 2, one[name], rtol=1e-5, atol=1e-6, msg=name)
