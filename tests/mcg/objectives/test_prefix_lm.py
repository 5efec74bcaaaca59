"""Prefix language modelling against a pass for each word; a text from its start on is a caption."""

from __future__ import annotations

import torch
from torch.nn import functional

from mcg.objectives.config import PrefixLMConfig
from mcg.objectives.prefix_lm import PrefixLM
from mcg.objectives.states import States
from mcg.text.texts import NO_LABEL
from tests.mcg.small_t2vlp import make_inputs, make_t2vlp


def test_the_loss_is_the_mean_over_the_words_behind_the_prefix() -> None:
    model, inputs = make_t2vlp(), make_inputs()
    found = PrefixLM(PrefixLMConfig())(States(model, inputs, False))
    losses = []
    for b in range(4):
        video = model.encode_video(inputs["frames"][b : b + 1])
        num_words = int(inputs["text_mask"][b].sum())
        asked = [place for place in range(num_words) if inputs["prefix_labels"][b, place] != NO_LABEL]
        assert asked == list(range(asked[0], num_words - 1)), "from a place on, to the last but one"
        for place in asked:
            ids = inputs["text_ids"][b : b + 1, : place + 1]
            text = model.encode_text(ids, torch.ones_like(ids).bool())
            logits = model.token_logits(model.fuse(text, video, causal=True).text_BLD[0, -1:])
            losses.append(functional.cross_entropy(logits, inputs["text_ids"][b, place + 1 : place + 2]))
    torch.testing.assert_close(found, torch.stack(losses).mean())
