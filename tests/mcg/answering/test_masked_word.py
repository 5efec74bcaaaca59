"""Answers at [MASK]: of a list by as many [MASK] as pieces, of the vocabulary by one; what training is told."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from mcg.answering.answer_list import AnswerListError
from mcg.answering.masked_word import MaskedWord
from mcg.tasks.config import OpenQAConfig
from mcg.text.masked_words import MaskedWords
from mcg.text.texts import NO_LABEL
from tests.mcg.answering.small_masked import asked_of, tensors
from tests.mcg.small_lavender import lavender_config, make_lavender
from tests.mcg.small_model import TEXTS, model_config

WORDS = MaskedWords()
ANSWERS = ["red", "skateboarders", "two", "playing guitar"]  # of 1, 3, 1 and 2 pieces
QUESTIONS = ["what is the man doing?", "how many dogs?", "she holds a [MASK] cup"]


def _way(folder: Path | None = None, **fields: Any) -> MaskedWord:
    if folder is not None:
        (folder / "answers.json").write_text(json.dumps(ANSWERS))
        fields["answer_list"] = str(folder / "answers.json")
    settings = {"name": "open_qa", "clip": {"num_frames": 2, "size": 32}, "answering": "masked_word"}
    return MaskedWord(OpenQAConfig.model_validate(settings | fields), WORDS)


def test_answers_of_a_list_are_scored_by_as_many_masks_as_they_have_pieces(tmp_path: Path) -> None:
    model, way = make_lavender(), _way(tmp_path)
    asked = asked_of(model, [way.question(text, None) for text in QUESTIONS])
    with torch.inference_mode():
        found = way.answers(asked, 9)
        for row, text in enumerate(QUESTIONS):
            expected = {}
            for answer in ANSWERS:
                pieces = WORDS.codec.pieces(answer)
                alone = tensors([WORDS.question(text, 40, len(pieces))])
                states = model.encode_text(alone["text_ids"], alone["text_mask"].bool())
                fused = model.fuse(states, asked.video.rows(torch.tensor([row])))
                at = fused.text_BLD[alone["text_ids"] == WORDS.mask_id]
                logs = model.token_logits(at).log_softmax(-1)
                expected[answer] = float(logs[torch.arange(len(pieces)), pieces].mean())
            assert [answer for answer, _ in found[row]] == sorted(expected, key=lambda a: -expected[a])
            for answer, score in found[row]:
                assert score == pytest.approx(expected[answer], rel=1e-4)


def test_without_a_list_the_likeliest_words_are_given(tmp_path: Path) -> None:
    model, way = make_lavender(), _way()
    asked = asked_of(model, [way.question(text, None) for text in QUESTIONS])
    with torch.inference_mode():
        found = way.answers(asked, 2)
        logs = model.token_logits(asked.fused.at_slot()).log_softmax(-1)
        noted = _way(tmp_path).notes(asked_of(model, [_way(tmp_path).question(text, None) for text in QUESTIONS]))
    for row, answers in enumerate(found):
        numbers = logs[row].topk(2).indices
        assert [answer for answer, _ in answers] == [WORDS.decode(np.array([int(n)])) for n in numbers]
        assert [score for _, score in answers] == pytest.approx(logs[row][numbers].tolist(), rel=1e-4)
        assert noted[row] == {"open_prediction": answers[0][0]}
    assert way.notes(asked) == [{}, {}, {}]


def test_training_is_told_every_piece_of_the_answer() -> None:
    arrays = _way().question("who jumps?", "skateboarders")
    ids, labels = arrays["masked_ids"], arrays["masked_labels"]
    assert labels[labels != NO_LABEL].tolist() == WORDS.codec.pieces("skateboarders")
    assert (ids[labels != NO_LABEL] == WORDS.mask_id).all() and len(arrays["masked_mask"]) == len(ids)
    released = _way(compat="released").question("who jumps?", "skateboarders")
    assert (released["masked_labels"] == NO_LABEL).all() and (released["masked_ids"] == WORDS.mask_id).sum() == 1
    one = _way(compat="released").question("what color?", "red")
    assert one["masked_labels"].max() == WORDS.word_id("red")


def test_as_released_a_list_is_not_used(tmp_path: Path) -> None:
    way = _way(tmp_path, compat="released")
    assert set(way.question("what?", None)) == {"text_ids", "text_mask"}
    assert way.reach(["red", "playing guitar"]) == {"vocabulary": 0.5}


def test_the_reach_says_which_answers_can_be_given(tmp_path: Path) -> None:
    assert _way(tmp_path).reach(["Red", "playing guitar", "a dog", "blue"]) == {"vocabulary": 0.5, "list": 0.5}


def test_other_answers_can_be_given_to_choose_from(tmp_path: Path) -> None:
    model, way = make_lavender(), _way(tmp_path).among(["blue", "a dog"])
    asked = asked_of(model, [way.question(text, None) for text in QUESTIONS])
    with torch.inference_mode():
        assert all({answer for answer, _ in row} == {"blue", "a dog"} for row in way.answers(asked, 5))


def test_a_list_a_model_and_texts_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    with pytest.raises(AnswerListError, match=r"answer number 1, 'skateboarders', has 3 word pieces, 1 to 1 fit"):
        _way(tmp_path, max_answer_tokens=3)
    way = _way()
    way.check(lavender_config())
    with pytest.raises(ValueError, match=r"'masked_word', which answers at \[MASK\]: this model has no slot"):
        way.check(model_config())
    with pytest.raises(ValueError, match=r"'masked_word', which needs model\.name: lavender"):
        MaskedWord(way.config, TEXTS)


def test_what_no_piece_spells_is_reached_by_no_word() -> None:
    assert _way().reach(["red", "\u2603"]) == {"vocabulary": 0.5}


def test_heads_by_task_have_no_mask_to_answer_at() -> None:
    with pytest.raises(ValueError, match=r"no \[MASK\] at which it answers; set model\.heads to words"):
        _way().check(lavender_config(heads="task"))
