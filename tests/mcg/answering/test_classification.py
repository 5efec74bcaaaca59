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


def test_of_some_answers_the_most_probable_is_given_if_all_are_in_the_list(tmp_path: Path) -> None:
    model, fused = fused_questions()
    way = answering("classification", tmp_path)
    with torch.inference_mode():
        all_of_them, some = way.best(model, fused, 9), way.among(["two", "red"]).best(model, fused, 9)
    for whole, row in zip(all_of_them, some, strict=True):
        assert row == [(answer, score) for answer, score in whole if answer in ("two", "red")]
    with pytest.raises(
        ValueError, match=r"choice 'green' is not in task\.answer_list .*, and a classifier gives no other"
    ):
        way.among(["two", "green"])
    assert len(way.best(model, fused, 9)[0]) == 5


def test_the_reach_is_the_share_of_answers_in_the_list(tmp_path: Path) -> None:
    assert answering("classification", tmp_path).reach(["Red", "violin", "\u2603", "two"]) == {"list": 0.5}
