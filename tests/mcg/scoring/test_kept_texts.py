"""Texts that wait on the host are the same when they come together again, in any order; ranks: test_pairs.py."""

from __future__ import annotations

import pytest
import torch

from mcg.model.states import TextStates
from mcg.scoring.kept_texts import keep, of_all_ranks, together

CPU = torch.device("cpu")


@pytest.mark.parametrize("with_slots", [True, False])
def test_texts_come_together_as_they_were(with_slots: bool) -> None:
    mask = torch.tensor([[1, 1, 1, 0, 0], [1, 1, 0, 0, 1], [1, 0, 0, 0, 0]]).bool()  # padding may stand within
    states, slots = torch.randn(3, 5, 2), torch.tensor([2, 4, 0]) if with_slots else None
    kept = keep(TextStates(states, mask, None, slots))
    assert [len(text.mask_L) for text in kept] == [3, 5, 1]
    assert kept[0].states_LD.untyped_storage().nbytes() == 3 * 2 * 4  # nothing of the padding is held
    found = together([kept[2], kept[0], kept[2]], CPU)
    assert found.mask_BL.shape == (3, 3) and torch.equal(found.mask_BL, mask[[2, 0, 2], :3])
    assert torch.equal(found.states_BLD[found.mask_BL], states[[2, 0, 2]][:, :3][found.mask_BL])
    assert (found.slot_B is None) is not with_slots
    assert found.slot_B is None or found.slot_B.tolist() == [0, 2, 0]


def test_one_rank_has_its_own_texts() -> None:
    kept = keep(TextStates(torch.randn(2, 3, 2), torch.ones(2, 3, dtype=torch.bool)))
    assert of_all_ranks(kept, torch.float32, CPU) is kept
