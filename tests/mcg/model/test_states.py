"""States of several samples: `rows` chooses samples, in any order, each any number of times."""

from __future__ import annotations

import torch

from mcg.model.states import Fused, TextStates, VideoStates

ROWS = torch.tensor([2, 0, 0])
STATES, MASK = torch.randn(3, 4, 2), torch.rand(3, 4) < 0.5


def test_rows_of_videos_have_their_attention_and_parts() -> None:
    attention, parts = torch.randn(3, 2, 4), {"middle": torch.randn(3, 5)}
    found = VideoStates(STATES, MASK, attention, parts).rows(ROWS)
    assert torch.equal(found.tokens_BVD, STATES[[2, 0, 0]]) and torch.equal(found.mask_BV, MASK[[2, 0, 0]])
    assert found.attention_BTP is not None and torch.equal(found.attention_BTP, attention[[2, 0, 0]])
    assert found.parts is not None and torch.equal(found.parts["middle"], parts["middle"][[2, 0, 0]])
    plain = VideoStates(STATES, MASK).rows(ROWS)
    assert plain.attention_BTP is None and plain.parts is None


def test_rows_of_texts_have_their_attention() -> None:
    found = TextStates(STATES, MASK, MASK.float()).rows(ROWS)
    assert found.attention_BL is not None and torch.equal(found.attention_BL, MASK[[2, 0, 0]].float())
    assert TextStates(STATES, MASK).rows(ROWS).attention_BL is None


def test_rows_of_fused_states_are_of_text_and_video() -> None:
    found = Fused(STATES, MASK, STATES + 1, ~MASK).rows(ROWS)
    for part, whole in zip(found, (STATES, MASK, STATES + 1, ~MASK), strict=True):
        assert torch.equal(part, whole[[2, 0, 0]])
