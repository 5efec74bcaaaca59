"""Choosing by matching: each choice is a text of its own, with or without the question."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from mcg.answering.matching_choice import MatchingChoice
from mcg.tasks.config import MultipleChoiceConfig
from mcg.text.masked_words import MaskedWords
from tests.mcg.answering.small_masked import asked_of, tensors
from tests.mcg.small_lavender import lavender_config, make_lavender
from tests.mcg.small_model import model_config

WORDS = MaskedWords()
CHOICES = ["a dog runs", "she laughs loudly", "nothing"]


def _way(**fields: Any) -> MatchingChoice:
    settings = {"name": "multiple_choice", "clip": {"num_frames": 2, "size": 32}, "choosing": "matching"}
    return MatchingChoice(MultipleChoiceConfig.model_validate({**settings, "num_choices": 3, **fields}), WORDS)


@pytest.mark.parametrize("with_question", [True, False])
def test_the_score_of_a_choice_is_that_of_its_pair(with_question: bool) -> None:
    model, way = make_lavender(), _way(with_question=with_question)
    asked = asked_of(model, [way.question("what happens?", CHOICES, 0, False)] * 2)
    with torch.inference_mode():
        found = way.scores(asked)
        for n, choice in enumerate(CHOICES):
            pair = tensors([WORDS.pair(f"what happens? {choice}" if with_question else choice, 40)] * 2)
            text = model.encode_text(pair["text_ids"], pair["text_mask"].bool())
            logits = model.match_logits(model.fuse(text, asked.video))
            torch.testing.assert_close(found[:, n], logits[:, 1] - logits[:, 0])


def test_the_released_score_is_a_share_of_the_logits() -> None:
    model = make_lavender()
    asked = asked_of(model, [_way().question("what happens?", CHOICES, 0, False)] * 2)
    with torch.inference_mode():
        found, corrected = _way(compat="released").scores(asked), _way().scores(asked)
    text = model.encode_text(asked.inputs["choice_ids"][:, 1], asked.inputs["choice_mask"][:, 1].bool())
    no, yes = model.match_logits(model.fuse(text, asked.video)).unbind(1)
    torch.testing.assert_close(found[:, 1], (yes / (yes + no)).detach())
    torch.testing.assert_close(corrected[:, 1], (yes - no).detach())


def test_a_choice_that_is_cut_is_told() -> None:
    pieces = max(WORDS.num_pieces(choice) for choice in CHOICES)
    for more, cut in ((1, True), (2, False)):
        assert _way(max_question_tokens=pieces + more, with_question=False).cuts("what happens?", CHOICES) == cut
    assert _way(max_question_tokens=pieces + 2).cuts("what happens?", CHOICES)


def test_training_tells_the_right_one_and_a_model_that_matches_is_needed() -> None:
    arrays = _way().question("what happens?", CHOICES, 2, True)
    assert arrays["choice_right"].tolist() == [2] and arrays["choice_ids"].shape[0] == 3
    _way().check(lavender_config())
    with pytest.raises(ValueError, match="choosing by matching: this model has no head for matching"):
        _way().check(model_config())


@pytest.mark.parametrize("compat", ["corrected", "released"])
def test_a_head_scores_by_itself_as_released_too(compat: str) -> None:
    model = make_lavender(heads="task")
    way = MatchingChoice(_way(compat=compat).config, MaskedWords(heads="task"))
    asked = asked_of(model, [way.question("what happens?", CHOICES, 0, False)] * 2)
    with torch.inference_mode():
        found = way.scores(asked)
        text = model.encode_text(asked.inputs["choice_ids"][:, 2], asked.inputs["choice_mask"][:, 2].bool())
        assert model.match_head is not None
        expected = model.match_head(model.fuse(text, asked.video).text_BLD[:, 0])[:, 0]
    torch.testing.assert_close(found[:, 2], expected)
