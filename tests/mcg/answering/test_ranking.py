"""Ranking gives the likeliest whole answer of those that begin likeliest."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from mcg.answering.answer_list import AnswerListError
from mcg.answering.likelihood import first_token_log_probs
from tests.mcg.answering.small_answers import ANSWERS, answering, fused_questions
from tests.mcg.small_model import TEXTS, model_config, text_config


def test_answers_are_ranked_by_their_likelihood_as_a_whole(tmp_path: Path) -> None:
    """Against one teacher-forced pass per answer."""
    model, fused = fused_questions()
    with torch.inference_mode():
        found = answering("ranking", tmp_path).best(model, fused, 5)
        for row, answers in enumerate(found):
            expected = {}
            for answer in ANSWERS:
                ids = torch.from_numpy(TEXTS.answer(answer, 10)["answer_ids"])[None]
                states = model.decode(ids[:, :-1], torch.ones_like(ids[:, :-1]), fused.rows(torch.tensor([row])))
                logs = model.answer_logits(states).log_softmax(-1)
                expected[answer] = float(logs.gather(2, ids[:, 1:, None]).sum())
            assert [answer for answer, _ in answers] == sorted(expected, key=lambda a: -expected[a])
            for answer, score in answers:
                assert score == pytest.approx(expected[answer], rel=1e-4)


def test_only_the_candidates_that_begin_likeliest_are_scored(tmp_path: Path) -> None:
    model, fused = fused_questions()
    with torch.inference_mode():
        found = answering("ranking", tmp_path, num_candidates=2).best(model, fused, 5)
        first_BK = first_token_log_probs(model, fused, TEXTS.start_id)
    begins = [int(TEXTS.answer(answer, 10)["answer_ids"][1]) for answer in ANSWERS]
    for row, answers in enumerate(found):
        kept = first_BK[row, begins].topk(2).indices.tolist()
        assert {answer for answer, _ in answers} == {ANSWERS[number] for number in kept}


def test_a_list_must_be_there_and_fit(tmp_path: Path) -> None:
    with pytest.raises(AnswerListError, match="no file or dataset nowhere"):
        answering("ranking", answer_list="nowhere")
    message = r"answers\.json: answer number 4, 'a man with a dog', has 5 word pieces, 1 to 4 fit"
    with pytest.raises(AnswerListError, match=message):
        answering("ranking", tmp_path, max_answer_tokens=6)
    model, fused = fused_questions()
    with torch.inference_mode():
        found = answering("ranking", tmp_path, max_answer_tokens=6, num_answers=4).best(model, fused, 9)
    assert all({answer for answer, _ in answers} == set(ANSWERS[:4]) for answers in found)


def test_a_decoder_is_needed(tmp_path: Path) -> None:
    way = answering("ranking", tmp_path)
    assert set(way.arrays("red")) == {"answer_ids", "answer_mask"}
    way.check(model_config())
    with pytest.raises(ValueError, match="'ranking', which needs a decoder: this model has no decoder"):
        way.check(model_config(text=text_config(num_decoder_layers=0)))
