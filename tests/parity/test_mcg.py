"""Our MCG with the weights of the released one gives the released outputs, losses, gradients and answers."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from mcg.model.mcg import MCG
from mcg.objectives.contrastive import contrastive_loss
from mcg.objectives.generation import Generation, GenerationConfig
from mcg.objectives.masked_lm import MaskedLM, MaskedLMConfig
from mcg.objectives.states import States
from mcg.objectives.token_contrast import TokenContrast, TokenContrastConfig, merge_words
from mcg.text import TextCodec
from tests.parity.released import released_case, released_name

Case = tuple[MCG, dict[str, Any], dict[str, Tensor]]


@pytest.fixture(scope="module", params=["mcg_pretrain_a", "mcg_pretrain_image"])
def pretrained(request: pytest.FixtureRequest) -> Case:
    return released_case(request.param)


@pytest.fixture(scope="module")
def answering() -> Case:
    return released_case("mcg_qa_a")


def _states(case: Case) -> States:
    """The states of a pre-training case. The reference has normalised pixels, so the video pass is run by hand."""
    model, _, given = case
    mask = given["attention_mask"]
    codec = TextCodec()
    words = [torch.from_numpy(codec.words(line.numpy())) for line in given["input_ids"]]
    labels = given["mlm_labels"]
    inputs = {
        "text_ids": given["input_ids"],
        "text_mask": mask,
        "text_words": torch.stack(words),
        "masked_ids": given["mlm_input_ids"],
        "masked_kept": ((labels != -100) & (given["mlm_input_ids"] == given["input_ids"])).long(),
    }
    states = States(model, inputs, with_attention=True)
    states.video = model.vision(given["pixel_values"], with_attention=True)
    return states


def _losses(states: States) -> tuple[Tensor, Tensor, Tensor]:
    model = states.model
    video = model.project_video(states.video.tokens_BVD[:, 0])
    text = model.project_text(states.text.states_BLD[:, 0])
    token = TokenContrast(TokenContrastConfig(padded_words=19))(states)
    return contrastive_loss(video, text, model.temperature), MaskedLM(MaskedLMConfig())(states), token


def _close(found: Tensor, expected: Tensor) -> None:
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


@torch.no_grad()
def test_states_and_features_are_the_released_ones(pretrained: Case) -> None:
    model, _, given = pretrained
    states = _states(pretrained)
    _close(states.video.tokens_BVD, given["video_embeds"])
    _close(model.project_video(states.video.tokens_BVD[:, 0]), given["video_feat"])
    _close(model.project_text(states.text.states_BLD[:, 0]), given["text_feat"])
    logits = model.token_logits(states.masked_fused.states_BLD[:, :20][given["mlm_labels"] != -100])
    _close(logits[: len(given["mlm_logits_first_masked"])], given["mlm_logits_first_masked"])


@torch.no_grad()
def test_merged_words_and_their_attention_are_the_released_ones(pretrained: Case) -> None:
    given, states = pretrained[2], _states(pretrained)
    assert states.text.cls_attention_BL is not None
    words = merge_words(states.text.states_BLD, states.text.cls_attention_BL, states["text_words"], states.text.mask_BL)
    _close(words.states_BWD, given["word_embeds"][:, 1:])  # the reference keeps [CLS]
    _close(words.attention_BW, given["word_attention"])


@torch.no_grad()
def test_losses_are_the_released_ones(pretrained: Case) -> None:
    contrastive, masked_lm, token = _losses(_states(pretrained))
    _close(contrastive, pretrained[2]["vtc_loss"])
    _close(masked_lm, pretrained[2]["mlm_loss"])
    _close(token, pretrained[2]["mcl_loss"])


def test_gradients_are_the_released_ones(pretrained: Case) -> None:
    model, facts, _ = pretrained
    model.zero_grad()
    torch.stack(_losses(_states(pretrained))).sum().backward()
    compared = 0
    for name, parameter in model.named_parameters():
        expected = facts["grad_norm"].get(released_name(name))
        if expected is not None and parameter.grad is not None:
            compared += 1
            assert float(parameter.grad.norm()) == pytest.approx(expected, rel=1e-3, abs=1e-5), name
    assert compared > 100, compared


@torch.no_grad()
def test_answers_and_their_loss_are_the_released_ones(answering: Case) -> None:
    model, facts, given = answering
    text = model.encode_text(given["question_ids"], given["question_mask"].bool())
    fused = model.fuse(text, model.vision(given["pixel_values"]))
    _close(fused.states_BLD, given["fused"])
    # the release lets its decoder attend to the padding of questions, ours does not
    memory = fused._replace(mask_BL=torch.ones_like(fused.mask_BL))
    ids, scores = model.generate(memory, start_id=30522, end_id=102, pad_id=0, num_beams=3, max_tokens=10)
    assert torch.equal(ids, given["generated"])
    # the release divides the sum of log-probabilities by the number of tokens with [DEC], without [SEP]
    ended = ((ids == 102).cumsum(1) > 0).sum(1)
    length = ids.shape[1] - (ended - 1).clamp(min=0)  # of [DEC] to [SEP]
    _close(scores * (length - 1) / (length - ended.clamp(max=1)), given["generated_scores"])
    codec = TextCodec()
    assert [codec.decode(line.numpy()) for line in ids] == facts["predictions"]
    states = States(model, {"answer_ids": given["answer_ids"], "answer_mask": given["answer_mask"]}, False)
    states.answer_memory = memory
    _close(Generation(GenerationConfig(label_smoothing=0.1))(states), given["loss"])
