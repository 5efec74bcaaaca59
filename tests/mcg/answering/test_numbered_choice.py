"""Choosing by number: all choices stand in the question; too long ones are refused, as released cut."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from mcg.answering.numbered_choice import NumberedChoice
from mcg.tasks.config import MultipleChoiceConfig
from mcg.text.masked_words import MaskedWords
from mcg.text.texts import NO_LABEL
from tests.mcg.answering.small_masked import asked_of
from tests.mcg.small_lavender import lavender_config, make_lavender
from tests.mcg.small_model import TEXTS, model_config

WORDS = MaskedWords()
CHOICES = ["lick", "turn head", "tap the glass"]


def _way(**fields: Any) -> NumberedChoice:
    settings = {"name": "multiple_choice", "clip": {"num_frames": 2, "size": 32}, "choosing": "numbered"}
    return NumberedChoice(MultipleChoiceConfig.model_validate({**settings, "num_choices": 3, **fields}), WORDS)


def test_all_choices_stand_in_the_question_and_the_number_is_read() -> None:
    codec = WORDS.codec
    ids = _way().question("what does it do?", CHOICES, 1, False)["text_ids"].tolist()
    options = [p for n, c in enumerate(CHOICES) for p in (codec.sep, *codec.pieces(f"option {n} : {c}"))]
    assert ids == [codec.cls, *codec.pieces("what does it do?"), *options, codec.mask, codec.sep]


def test_the_score_is_the_logit_of_the_number() -> None:
    model, way = make_lavender(), _way()
    asked = asked_of(model, [way.question(text, CHOICES, 0, False) for text in ("what?", "what does the cat do?")])
    with torch.inference_mode():
        logits = model.token_logits(asked.fused.at_slot())
        numbers = logits[:, [WORDS.word_id(str(n)) for n in range(3)]]
        torch.testing.assert_close(way.scores(asked), numbers)
        released = _way(compat="released").scores(asked)
    torch.testing.assert_close(released, numbers / numbers.sum(1, keepdim=True))


def test_training_is_told_the_number() -> None:
    arrays = _way().question("what does it do?", CHOICES, 2, True)
    labels = arrays["masked_labels"]
    assert labels[labels != NO_LABEL].tolist() == [WORDS.word_id("2")]
    assert (arrays["masked_ids"][labels != NO_LABEL] == WORDS.mask_id).all()


def test_what_is_too_long_is_refused_and_as_released_cut() -> None:
    with pytest.raises(ValueError, match=r"question and choices are 23 word pieces, 19 fit task\.max_question_tokens"):
        _way(max_question_tokens=20).question("what does it do?", CHOICES, 1, False)
    cut = _way(max_question_tokens=20, compat="released").question("what does it do?", CHOICES, 1, False)["text_ids"]
    assert len(cut) == 22 and cut[-2] == WORDS.mask_id
    for length in (23, 24, 25):
        assert _way(max_question_tokens=length, compat="released").cuts("what does it do?", CHOICES) == (length < 24)
    assert not _way().cuts("what does it do?", CHOICES)


def test_models_texts_and_choices_that_do_not_fit_are_refused() -> None:
    way = _way()
    way.check(lavender_config())
    with pytest.raises(ValueError, match=r"choosing by number reads at \[MASK\]: this model has no slot"):
        way.check(model_config())
    with pytest.raises(ValueError, match=r"'numbered', which needs model\.name: lavender"):
        NumberedChoice(way.config, TEXTS)
    with pytest.raises(ValueError, match=r"4 choices, and this model numbers 3 \(task\.num_choices\)"):
        way.check_choices([*CHOICES, "nod"])
