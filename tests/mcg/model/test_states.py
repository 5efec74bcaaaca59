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


def test_texts_of_two_batches_are_joined_with_their_slots_and_padded_to_the_longest() -> None:
    slot, prefix = torch.tensor([3, 2, 1]), torch.tensor([1, 1, 1])
    short = TextStates(STATES[:, :2], MASK[:, :2], None, slot, prefix)
    found = TextStates.joined([TextStates(STATES, MASK, None, slot, prefix), short])
    assert found.states_BLD.shape == (6, 4, 2) and not found.mask_BL[3:, 2:].any()
    assert torch.equal(found.mask_BL[3:, :2], MASK[:, :2]) and not found.states_BLD[3:, 2:].any()
    assert found.slot_B is not None and found.slot_B.tolist() == [3, 2, 1, 3, 2, 1]
    assert found.prefix_B is not None and found.rows(ROWS).slot_B is not None
    assert TextStates.joined([TextStates(STATES, MASK)]).slot_B is None


def test_rows_of_fused_states_are_of_text_and_video() -> None:
    parts = (STATES, MASK, STATES + 1, ~MASK, torch.tensor([0, 3, 1]))
    for part, whole in zip(Fused(*parts).rows(ROWS), parts, strict=True):
        assert part is not None and torch.equal(part, whole[[2, 0, 0]])
    assert Fused(*parts[:4]).rows(ROWS).slot_B is None
