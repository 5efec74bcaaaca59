"""Choosing by a classifier: the text holds all choices and no [MASK], and the class is the number."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from mcg.answering.classified_choice import ClassifiedChoice
from mcg.tasks.config import MultipleChoiceConfig
from mcg.text.masked_words import MaskedWords
from tests.mcg.answering.small_masked import asked_of
from tests.mcg.small_lavender import lavender_config, make_lavender
from tests.mcg.small_model import TEXTS, model_config

WORDS = MaskedWords(heads="task")
CHOICES = ["lick", "turn head", "tap the glass"]


def _way(**fields: Any) -> ClassifiedChoice:
    settings = {"name": "multiple_choice", "clip": {"num_frames": 2, "size": 32}, "choosing": "classification"}
    return ClassifiedChoice(MultipleChoiceConfig.model_validate({**settings, "num_choices": 3, **fields}), WORDS)


def test_all_choices_stand_in_the_question_and_training_is_told_the_number() -> None:
    codec, arrays = WORDS.codec, _way().question("what does it do?", CHOICES, 2, True)
    options = [p for n, c in enumerate(CHOICES) for p in (codec.sep, *codec.pieces(f"option {n} : {c}"))]
    assert arrays["text_ids"].tolist() == [codec.cls, *codec.pieces("what does it do?"), *options, codec.sep]
    assert int(arrays["label"]) == 2
    assert set(_way().question("what does it do?", CHOICES, 2, False)) == {"text_ids", "text_mask"}


@pytest.mark.parametrize("compat", ["corrected", "released"])
def test_the_score_is_the_logit_of_the_class(compat: str) -> None:
    model, way = make_lavender(heads="task", num_classes={"answers": 4}), _way(compat=compat)
    asked = asked_of(model, [way.question(text, CHOICES, 0, False) for text in ("what?", "what does the cat do?")])
    with torch.inference_mode():
        torch.testing.assert_close(way.scores(asked), model.classify(asked.fused)[:, :3])


def test_the_model_gets_a_class_for_each_choice() -> None:
    found = _way(head="tgif").completed(lavender_config(heads="task"))
    assert found.model_dump()["num_classes"] == {"tgif": 3}
    _way().check(lavender_config(heads="task"))


def test_models_and_texts_that_do_not_fit_are_refused() -> None:
    message = r"task\.num_choices has 3 answers to classify: this model has no classifier; set model\.heads to task"
    with pytest.raises(ValueError, match=message):
        _way().check(lavender_config())
    with pytest.raises(ValueError, match=r"model\.num_classes\.answers is 2, and task\.num_choices has 3 answers"):
        _way().check(lavender_config(heads="task", num_classes={"answers": 2}))
    with pytest.raises(ValueError, match=r"model\.num_classes is None, and task\.num_choices has 3 answers"):
        _way().check(model_config())
    with pytest.raises(ValueError, match=r"'classification', which needs model\.name: lavender"):
        ClassifiedChoice(_way().config, TEXTS)
