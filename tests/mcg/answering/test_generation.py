"""Generation gives the likeliest answers by beam search, spelt as people spell them."""

from __future__ import annotations

import pytest
import torch

from mcg.model.states import Generated
from tests.mcg.answering.small_answers import answering, fused_questions
from tests.mcg.small_model import TEXTS, model_config, text_config


def test_there_are_as_many_answers_as_beams_best_first() -> None:
    model, fused = fused_questions()
    with torch.inference_mode():
        best = answering("generation", num_beams=4).best(model, fused, 3)
        first = answering("generation", num_beams=4).best(model, fused, 1)
        alone = answering("generation", num_beams=1).best(model, fused, 5)
    assert [len(answers) for answers in best] == [3, 3, 3] and len(alone[0]) == 1
    for answers, (top,) in zip(best, first, strict=True):
        assert answers[0][0] == top[0] and answers[0][1] == pytest.approx(top[1], abs=1e-4)
        assert [score for _, score in answers] == sorted((score for _, score in answers), reverse=True)


@pytest.mark.parametrize("compat", ["corrected", "released"])
def test_hyphens_and_apostrophes_have_no_spaces_around_them(compat: str, monkeypatch: pytest.MonkeyPatch) -> None:
    model, fused = fused_questions()
    ids = torch.from_numpy(TEXTS.choices(["t-shirt", "man's hat"], 8)["choice_ids"])
    monkeypatch.setattr(model, "generate", lambda *_: Generated(ids, torch.zeros(2)))
    found = [text for answers in answering("generation", compat=compat).best(model, fused, 1) for text, _ in answers]
    assert found == (["t-shirt", "man's hat"] if compat == "corrected" else ["t - shirt", "man ' s hat"])


def test_an_answer_is_written_by_the_decoder() -> None:
    way = answering("generation")
    assert set(way.arrays("a dog")) == {"answer_ids", "answer_mask"}
    way.check(model_config())
    with pytest.raises(ValueError, match=r"'generation', which needs a decoder: this model has no decoder; set model"):
        way.check(model_config(text=text_config(num_decoder_layers=0)))
