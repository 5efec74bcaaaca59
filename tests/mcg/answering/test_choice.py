"""Choices are compared by their likelihood, per token or as a whole."""

from __future__ import annotations

import pytest
import torch

from mcg.answering.choice import LikelihoodChoice
from mcg.answering.likelihood import log_likelihoods
from tests.mcg.answering.small_answers import fused_questions
from tests.mcg.small_model import TEXTS, model_config, text_config

CHOICES = ["red", "a green one", "blue"]


@pytest.mark.parametrize("per_token", [True, False])
def test_scores_are_likelihoods(per_token: bool) -> None:
    model, fused = fused_questions()
    way = LikelihoodChoice(TEXTS, 8, per_token)
    arrays = way.arrays(CHOICES, 1, training=False)
    ids, mask = (torch.from_numpy(arrays[name]).expand(3, -1, -1) for name in ("choice_ids", "choice_mask"))
    with torch.inference_mode():
        found, whole = way.scores(model, fused, ids, mask), log_likelihoods(model, fused, ids, mask)
    torch.testing.assert_close(found, whole / torch.tensor([2.0, 4.0, 2.0]) if per_token else whole)


def test_training_writes_the_right_choice() -> None:
    arrays = LikelihoodChoice(TEXTS, 8, True).arrays(CHOICES, 1, training=True)
    assert TEXTS.decode(arrays["answer_ids"]) == "a green one" and set(arrays) == {"answer_ids", "answer_mask"}


def test_a_decoder_is_needed() -> None:
    way = LikelihoodChoice(TEXTS, 8, True)
    way.check(model_config())
    with pytest.raises(ValueError, match="choosing by likelihood needs a decoder: this model has no decoder"):
        way.check(model_config(text=text_config(num_decoder_layers=0)))
