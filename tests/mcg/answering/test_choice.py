"""Choices are compared by their likelihood, per token or as a whole."""

from __future__ import annotations

import pytest
import torch

from mcg.answering.asked import Asked
from mcg.answering.choice import LikelihoodChoice
from mcg.answering.likelihood import log_likelihoods
from mcg.model.states import VideoStates
from mcg.tasks.config import MultipleChoiceConfig
from tests.mcg.answering.small_answers import fused_questions
from tests.mcg.small_model import TEXTS, model_config, text_config

CHOICES = ["red", "a green one", "blue"]


def _way(likelihood: str = "mean") -> LikelihoodChoice:
    settings = {"name": "multiple_choice", "clip": {"num_frames": 2, "size": 32}, "max_answer_tokens": 8}
    return LikelihoodChoice(MultipleChoiceConfig.model_validate({**settings, "likelihood": likelihood}), TEXTS)


@pytest.mark.parametrize("likelihood", ["mean", "sum"])
def test_scores_are_likelihoods(likelihood: str) -> None:
    model, fused = fused_questions()
    way = _way(likelihood)
    arrays = way.question("what is it", CHOICES, 1, training=False)
    ids, mask = (torch.from_numpy(arrays[name]).expand(3, -1, -1) for name in ("choice_ids", "choice_mask"))
    video = VideoStates(fused.video_BVD, fused.video_mask_BV)
    asked = Asked(model, video, {"choice_ids": ids, "choice_mask": mask})
    asked.fused = fused
    with torch.inference_mode():
        found, whole = way.scores(asked), log_likelihoods(model, fused, ids, mask)
    torch.testing.assert_close(found, whole / torch.tensor([2.0, 4.0, 2.0]) if likelihood == "mean" else whole)


def test_training_writes_the_right_choice() -> None:
    arrays = _way().question("what is it", CHOICES, 1, training=True)
    assert TEXTS.decode(arrays["answer_ids"]) == "a green one"
    assert set(arrays) == {"text_ids", "text_mask", "answer_ids", "answer_mask"}


def test_a_decoder_is_needed() -> None:
    way = _way()
    way.check(model_config())
    with pytest.raises(ValueError, match="choosing by likelihood needs a decoder: this model has no decoder"):
        way.check(model_config(text=text_config(num_decoder_layers=0)))
