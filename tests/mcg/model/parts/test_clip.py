"""CLIP's towers: those of `transformers` with the same weights, padding, clips of frames, activation checkpointing."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from transformers import CLIPConfig, CLIPModel
from transformers.models.clip.modeling_clip import CLIPEncoderLayer

from mcg.convert.families.clip import huggingface_rules
from mcg.model.parts.clip import ClipBlocks, ClipText, ClipVision, last_word, mean_of_frames
from mcg.model.parts.configs import ClipBlocksConfig, ClipTextConfig, ClipVisionConfig
from tests.mcg.small_clip import VOCABULARY, draw_biases, make_clips, make_text, make_vision, never_called

END = VOCABULARY - 1


def _theirs(activation: str) -> CLIPModel:
    """`transformers`' with the sizes of the small towers."""
    common = {"hidden_size": 32, "intermediate_size": 128, "num_hidden_layers": 3, "num_attention_heads": 2}
    common["hidden_act"] = activation
    text = {"vocab_size": VOCABULARY, "max_position_embeddings": 9, "eos_token_id": END}
    torch.manual_seed(3)
    config = CLIPConfig(
        text_config={**common, **text},
        vision_config={**common, "image_size": 16, "patch_size": 8},
        projection_dim=24,
    )
    return draw_biases(CLIPModel(config)).eval()


def _texts() -> tuple[Tensor, Tensor]:
    """Ids and mask of texts of 7, 3 and 9 tokens; padding is 0, a word too."""
    ids_BL = torch.randint(0, END, (3, 9), generator=torch.Generator().manual_seed(4))
    mask_BL = torch.arange(9) < torch.tensor([7, 3, 9])[:, None]
    ids_BL[torch.arange(3), mask_BL.sum(1) - 1] = END
    return ids_BL * mask_BL, mask_BL


@pytest.mark.parametrize("activation", ["quick_gelu", "gelu"])
@torch.no_grad()
def test_both_towers_are_those_of_transformers(activation: str) -> None:
    theirs, ours = _theirs(activation), nn.ModuleDict()
    ours["vision"], ours["text"] = make_vision(activation=activation), make_text(activation=activation)
    state: dict[str, Tensor] = {}
    for key, tensor in theirs.state_dict().items():
        rule = next(rule for rule in huggingface_rules() if rule.apply(key) is not None)
        state |= rule.weights(key, tensor)
    state.pop("logit_scale")
    ours.load_state_dict(state)
    pixels, (ids_BL, mask_BL) = make_clips()[:, :1], _texts()
    states = ours["vision"](pixels)
    close: Any = {"rtol": 0, "atol": 1e-5}
    their_states = theirs.vision_model(pixels[:, 0]).last_hidden_state
    torch.testing.assert_close(states.last_BTVD[:, 0], their_states, **close)
    features = ours["vision"].frames(states)[:, 0]
    torch.testing.assert_close(features, theirs.get_image_features(pixels[:, 0]).pooler_output, **close)
    words = ours["text"](ids_BL)
    their_words = theirs.text_model(ids_BL, mask_BL.long()).last_hidden_state
    torch.testing.assert_close(words[mask_BL], theirs.text_projection(their_words)[mask_BL], **close)
    their_texts = theirs.get_text_features(ids_BL, mask_BL.long()).pooler_output
    torch.testing.assert_close(last_word(words, mask_BL), their_texts, **close)


def test_a_word_sees_none_behind_it() -> None:
    model, (ids_BL, mask_BL) = make_text(), _texts()
    words = model(ids_BL)
    other = torch.where(mask_BL, ids_BL, 17)
    torch.testing.assert_close(last_word(model(other), mask_BL), last_word(words, mask_BL))
    shorter = model(ids_BL[:, :5])
    torch.testing.assert_close(shorter, words[:, :5])
    assert float((words[0, 1:] - model(ids_BL.flip(1))[0, 1:]).detach().abs().max()) > 0.01


def test_frames_see_each_other_from_the_joint_block_on() -> None:
    clips = make_clips()
    other = torch.cat([clips[:, :3], torch.zeros_like(clips[:, 3:])], 1)
    for joint_from, alone in ((None, 3), (0, 0), (2, 2), (3, 3)):
        model = make_vision(joint_from=joint_from)
        states, changed = model(clips), model(other)
        torch.testing.assert_close(states.middle_BTVD[:, :3], changed.middle_BTVD[:, :3])
        differs = float((states.last_BTVD[:, :3] - changed.last_BTVD[:, :3]).detach().abs().max())
        assert (differs > 1e-3) == (alone < 3)
        assert (states.middle_BTVD == states.last_BTVD).all() == (alone == 3)
    plain = make_vision()(clips).last_BTVD
    single = make_vision(joint_from=1)(clips[:, :1])
    torch.testing.assert_close(single.last_BTVD, plain[:, :1])  # the only frame sees itself alone


@pytest.mark.parametrize("order", [(1, 0, 2, 3), (3, 2, 1, 0), (2, 0, 3, 1)])
def test_the_order_of_frames_changes_nothing_but_their_places(order: tuple[int, ...]) -> None:
    model, clips = make_vision(joint_from=1), make_clips()
    frames, shuffled = (model.frames(model(given)) for given in (clips, clips[:, order]))
    torch.testing.assert_close(shuffled, frames[:, order], rtol=0, atol=1e-5)
    torch.testing.assert_close(mean_of_frames(shuffled), mean_of_frames(frames), rtol=0, atol=1e-5)


def test_a_masked_frame_changes_nothing_and_one_that_attends_does() -> None:
    model, clips = make_vision(joint_from=1), make_clips()
    mask_BT = torch.tensor([[True, True, True, False], [True, False, False, False]])
    frames = model.frames(model(clips, mask_BT))
    for sample, count in enumerate((3, 1)):
        alone = model.frames(model(clips[sample : sample + 1, :count]))
        torch.testing.assert_close(frames[sample : sample + 1, :count], alone, rtol=0, atol=1e-5)
        mean = mean_of_frames(frames, mask_BT)[sample : sample + 1]
        torch.testing.assert_close(mean, mean_of_frames(alone), rtol=0, atol=1e-5)
    attends = model.frames(model(clips))
    assert float((attends - frames)[0, :3].detach().abs().max()) > 1e-3


def test_the_mean_of_frames_weighs_them_by_direction_alone() -> None:
    frames = torch.tensor([[[3.0, 0.0], [0.0, 0.5], [9.0, 9.0]]])
    mean = mean_of_frames(frames, torch.tensor([[True, True, False]]))
    torch.testing.assert_close(mean, torch.tensor([[0.5**0.5, 0.5**0.5]]))


def test_blocks_see_what_a_mask_of_rows_and_columns_says() -> None:
    torch.manual_seed(0)
    blocks = draw_biases(ClipBlocks(ClipBlocksConfig(width=16, num_layers=2, num_heads=2)))
    states = torch.randn(2, 5, 16)
    lower = torch.ones(5, 5, dtype=torch.bool).tril().expand(2, 5, 5)
    torch.testing.assert_close(blocks(states, lower), blocks(states, causal=True))
    mask = torch.tensor([[True] * 5, [True] * 3 + [False] * 2])
    torch.testing.assert_close(blocks(states, mask)[1:, :3], blocks(states[1:, :3]))
    torch.testing.assert_close(blocks(blocks(states, end=1), first=1), blocks(states))


@pytest.mark.parametrize("shape", [(2, 3, 16, 16), (2, 4, 3, 16, 24), (2, 0, 3, 16, 16), (2, 4, 1, 16, 16)])
def test_what_is_no_clip_is_refused_with_its_shape(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"expects clips \(samples, frames, 3, 16, 16\), none of them 0, found \("):
        make_vision()(torch.zeros(shape))


def test_a_text_longer_than_the_positions_is_refused() -> None:
    with pytest.raises(ValueError, match=r"texts of 10 tokens, and model\.text\.max_positions is 9"):
        make_text()(torch.zeros(1, 10, dtype=torch.int64))


def test_activation_checkpointing_changes_no_gradient_and_keeps_less(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []
    original = CLIPEncoderLayer.forward
    monkeypatch.setattr(CLIPEncoderLayer, "forward", lambda *given, **more: calls.append(1) or original(*given, **more))
    vision, text = make_vision(joint_from=2).train(), make_text().train()
    found = []
    for on in (False, True):
        vision.blocks.activation_checkpointing = text.blocks.activation_checkpointing = on
        for model, given in ((vision, make_clips()), (text, _texts()[0])):
            model.zero_grad()
            calls.clear()
            (model.frames(model(given)) if model is vision else model(given)).square().sum().backward()
            assert len(calls) == 3 * (1 + on)
        named = [*vision.named_parameters(), *text.named_parameters(prefix="text")]
        found.append({name: parameter.grad for name, parameter in named})
    for name, gradient in found[0].items():
        # a key's bias adds the same to all logits of a query: its gradient is zero but for rounding
        assert gradient is not None and (gradient.any() or name.endswith("k_proj.bias")), name
        torch.testing.assert_close(found[1][name], gradient, msg=name)


def test_every_weight_is_in_a_module_that_is_called() -> None:
    vision, text = make_vision(joint_from=2), make_text()
    assert never_called(vision, lambda: vision.frames(vision(make_clips()))) == []
    assert never_called(text, lambda: text(_texts()[0])) == []


def test_the_defaults_are_vit_b_16() -> None:
    with torch.device("meta"):
        vision, text = ClipVision(ClipVisionConfig()), ClipText(ClipTextConfig(), 49408)
    # published: 149,620,737 with the scale of logits
    assert sum(p.numel() for model in (vision, text) for p in model.parameters()) == 149_620_736
    large = {"width": 1024, "num_layers": 24, "num_heads": 16, "patch_size": 14, "contrastive_width": 768}
    with torch.device("meta"):
        vision = ClipVision(ClipVisionConfig.model_validate(large))
    assert sum(p.numel() for p in vision.parameters()) == 303_966_208  # ViT-L/14's
