"""T2VLP: what order and padding of frames change and what not, masked words, matching, and CLIP alone."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from mcg.model.states import GenerationPlan
from tests.mcg.small_t2vlp import TEXTS, frames, make_inputs, make_t2vlp, t2vlp_config

FRAMES = slice(1, 4)
MODEL = make_t2vlp()


@given(order=st.permutations(range(3)))
@torch.no_grad()
def test_the_order_of_frames_is_seen_by_the_fusion_alone(order: list[int]) -> None:
    video, inputs = frames(), make_inputs()
    ordered, other = MODEL.encode_video(video), MODEL.encode_video(video[:, order])
    torch.testing.assert_close(other.tokens_BVD[:, FRAMES], ordered.tokens_BVD[:, FRAMES][:, order])
    for part in (slice(0, 1), slice(4, None)):  # the mean, and tubes
        torch.testing.assert_close(other.tokens_BVD[:, part], ordered.tokens_BVD[:, part])
    torch.testing.assert_close(MODEL.video_features(other), MODEL.video_features(ordered))
    if order != [0, 1, 2]:
        text = MODEL.encode_text(inputs["text_ids"], inputs["text_mask"].bool())
        found, expected = (MODEL.match_logits(MODEL.fuse(text, each)) for each in (other, ordered))
        assert not torch.allclose(found, expected, atol=1e-4)


@torch.no_grad()
@pytest.mark.parametrize("padding", ["masked", "attends"])
def test_a_frame_of_padding_changes_nothing_but_as_released(padding: str) -> None:
    model, inputs = make_t2vlp(padding=padding), make_inputs()
    short, mask = frames(), torch.tensor([[True, True, True, False]]).expand(4, 4)
    plain = model.encode_video(short)
    padded = model.encode_video(torch.cat([short, torch.zeros_like(short[:, :1])], 1), mask)
    changed = not torch.allclose(padded.tokens_BVD[:, 5:], plain.tokens_BVD[:, 4:], atol=1e-5)
    assert changed == (padding == "attends")
    if padding == "masked":
        torch.testing.assert_close(padded.tokens_BVD[:, :4], plain.tokens_BVD[:, :4])
        torch.testing.assert_close(model.video_features(padded), model.video_features(plain))
        other = model.encode_video(torch.cat([short, torch.full_like(short[:, :1], 255)], 1), mask)
        text = model.encode_text(inputs["text_ids"], inputs["text_mask"].bool())
        match = model.match_logits(model.fuse(text, padded))
        torch.testing.assert_close(model.match_logits(model.fuse(text, other)), match)


@torch.no_grad()
def test_a_masked_word_is_the_state_of_none_and_is_read_as_the_first_word_of_the_vocabulary() -> None:
    ids = make_inputs()["text_ids"][:1]
    masked, first = ids.clone(), ids.clone()
    masked[0, 2], first[0, 2] = TEXTS.empty_id, 0
    mask = torch.ones_like(ids).bool()
    found, expected = (MODEL.encode_text(each, mask).states_BLD for each in (masked, first))
    assert not found[0, 2].any()
    torch.testing.assert_close(found[0, 3:], expected[0, 3:])


@torch.no_grad()
def test_a_score_of_a_pair_depends_on_the_others_as_released_alone() -> None:
    inputs = make_inputs()
    for norm in ("row", "batch"):
        model = make_t2vlp(match_norm=norm)
        text = model.encode_text(inputs["text_ids"], inputs["text_mask"].bool())
        fused = model.fuse(text, model.encode_video(inputs["frames"]))
        alone = torch.cat([model.match_logits(fused.rows(torch.tensor([row]))) for row in range(4)])
        assert torch.allclose(model.match_logits(fused), alone, atol=1e-5) == (norm == "row")
        assert model.matches_over_batch == (norm == "batch")


def test_gradients_end_where_the_config_says() -> None:
    inputs = make_inputs()
    for fields, trained in (
        ({}, {"vision", "text", "tubes"}),
        ({"tower_gradient": False}, {"tubes"}),
        ({"fusion": {**t2vlp_config().fusion.model_dump(), "input_gradient": False}}, set()),
    ):
        model = make_t2vlp(**fields)
        text = model.encode_text(inputs["text_ids"], inputs["text_mask"].bool())
        model.match_logits(model.fuse(text, model.encode_video(inputs["frames"]))).sum().backward()
        found = {name.split(".")[0] for name, weight in model.named_parameters() if weight.grad is not None}
        assert found - {"fusion", "match"} == trained, fields


@torch.no_grad()
def test_clip_alone_has_towers_and_nothing_else() -> None:
    model, inputs = make_t2vlp(tubes=None, fusion=None), make_inputs()
    video = model.encode_video(inputs["frames"])
    units = torch.nn.functional.normalize(video.tokens_BVD[:, FRAMES], dim=-1)
    expected = torch.nn.functional.normalize(units.mean(1), dim=-1)
    torch.testing.assert_close(model.video_features(video), expected)
    text = model.encode_text(inputs["text_ids"], inputs["text_mask"].bool())
    assert model.text_features(text).shape == (4, 16) and video.parts is None
    for verb in (
        lambda: model.fuse(text, video),
        lambda: model.token_logits(text.states_BLD[:, 0]),
        lambda: model.match_logits(None),
        lambda: model.caption(text, video, GenerationPlan(0, 1, 0, 1, 4)),
    ):
        with pytest.raises(ValueError, match=r"this model has no fusion; set model\.fusion"):
            verb()


def test_the_scale_stays_below_a_hundred_and_can_come_back() -> None:
    model = make_t2vlp()
    assert float(model.temperature) == pytest.approx(0.07)
    model.logit_scale.data.fill_(math.log(1000.0))
    model.temperature.backward()
    assert float(model.temperature) == pytest.approx(0.01) and float(model.logit_scale.grad) != 0


def test_activations_are_checkpointed_in_every_stack_of_blocks() -> None:
    model = make_t2vlp()
    model.checkpoint_activations(True)
    assert all(blocks.activation_checkpointing for blocks in model._blocks().values()) and len(model._blocks()) == 4
