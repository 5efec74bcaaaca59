"""Classification names answers of a list with their probabilities."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from mcg.answering.answer_list import AnswerListError
from mcg.text.texts import NO_LABEL
from tests.mcg.answering.small_answers import ANSWERS, answering, fused_questions
from tests.mcg.small_model import model_config


def test_the_most_probable_class_of_the_list_is_given(tmp_path: Path) -> None:
    model, fused = fused_questions()
    with torch.inference_mode():
        found = answering("classification", tmp_path).best(model, fused, 9)
        probabilities = model.classify(fused)[:, :5].softmax(-1)
    for row, answers in enumerate(found):
        assert len(answers) == 5 and sum(score for _, score in answers) == pytest.approx(1)
        assert answers[0][0] == ANSWERS[int(probabilities[row].argmax())]


def test_an_answer_is_its_number_in_the_list(tmp_path: Path) -> None:
    way = answering("classification", tmp_path)
    assert [int(way.arrays(answer)["label"]) for answer in ("two", "violin")] == [2, NO_LABEL]


def test_a_classifier_of_enough_classes_is_needed(tmp_path: Path) -> None:
    way = answering("classification", tmp_path)
    way.check(model_config(num_classes=5))
    for classes in (None, 4):
        message = rf"model\.num_classes is {classes}, and task\.answer_list .*5 answers; set it to that number or more"
        with pytest.raises(ValueError, match=message):
            way.check(model_config(num_classes=classes))
    with pytest.raises(AnswerListError, match="no file or dataset nowhere"):
        answering("classification", answer_list="nowhere")
