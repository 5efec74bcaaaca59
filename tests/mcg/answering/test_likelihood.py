"""Likelihoods of answers: of each given its own question, however many are computed at a time."""

from __future__ import annotations

import pytest
import torch

from mcg.answering.likelihood import first_token_log_probs, log_likelihoods
from mcg.model.mcg import MCG
from mcg.model.states import Fused
from tests.mcg.small_model import make_inputs, make_model

INPUTS = make_inputs()


def _fused() -> tuple[MCG, Fused]:
    model = make_model().eval()
    text = model.encode_text(INPUTS["text_ids"], INPUTS["text_mask"].bool())
    return model, model.fuse(text, model.encode_video(INPUTS["frames"]))


@pytest.mark.parametrize("rows_at_once", [512, 3])
def test_an_answer_is_scored_by_its_own_tokens_and_question(rows_at_once: int) -> None:
    model, fused = _fused()
    ids = torch.stack([INPUTS["answer_ids"], INPUTS["answer_ids"].flip(0)], 1)
    mask = torch.stack([INPUTS["answer_mask"], INPUTS["answer_mask"].flip(0)], 1)
    with torch.no_grad():
        found = log_likelihoods(model, fused, ids, mask, rows_at_once)
        assert found.shape == (4, 2) and found.dtype == torch.float32
        for b in range(4):
            for n in range(2):
                alone = ids[b, n, : int(mask[b, n].sum())][None]
                memory = fused.rows(torch.tensor([b]))
                states = model.decode(alone[:, :-1], torch.ones_like(alone[:, :-1]), memory)
                logs = model.answer_logits(states).log_softmax(-1)
                torch.testing.assert_close(found[b, n], logs.gather(2, alone[:, 1:, None]).sum())


def test_the_first_token_is_as_probable_as_the_likelihood_says() -> None:
    model, fused = _fused()
    with torch.no_grad():
        first = first_token_log_probs(model, fused, start_id=3)
        torch.testing.assert_close(first.exp().sum(1), torch.ones(4))
        ids = torch.tensor([[[3, 7]]]).expand(4, 1, 2)
        found = log_likelihoods(model, fused, ids, torch.ones_like(ids))
    torch.testing.assert_close(found[:, 0], first[:, 7])
