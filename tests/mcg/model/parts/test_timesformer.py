"""TimeSformer: shapes, the order of frames, the [CLS] attention, activation checkpointing, sizes that do not fit."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from mcg.model.parts.configs import TimeSformerConfig
from mcg.model.parts.timesformer import TimeSformer
from tests.mcg.small_model import vision_config


def _make(**fields: object) -> TimeSformer:
    torch.manual_seed(0)
    return TimeSformer(vision_config(**fields)).eval()


def _clip(num_samples: int = 3, num_frames: int = 2) -> Tensor:
    return torch.randn(num_samples, num_frames, 3, 32, 32, generator=torch.Generator().manual_seed(1))


def test_a_clip_becomes_one_state_per_patch_and_cls() -> None:
    states = _make()(_clip())
    assert states.tokens_BVD.shape == (3, 5, 16) and states.attention_BTP is None
    assert _make()(_clip(), with_attention=True).attention_BTP.shape == (3, 2, 4)


def test_another_clip_shape_is_refused_with_both_shapes() -> None:
    with pytest.raises(ValueError, match=r"expects clips of \(frames, 3, height, width\) = \(2, 3, 32, 32\), found"):
        _make()(_clip(num_frames=3))
    with pytest.raises(ValueError, match=r"found \(2, 3, 32, 16\); set task\.clip and model\.vision to the same sizes"):
        _make()(_clip()[..., :16])


@pytest.mark.parametrize("fields", [{"patch_size": 15}, {"num_heads": 3}])
def test_sizes_that_do_not_divide_are_refused(fields: dict[str, int]) -> None:
    with pytest.raises(
        ValueError, match=r"vision: patch_size \d+ must divide image_size 32 and num_heads \d must divide"
    ):
        _make(**fields)


def test_samples_do_not_see_each_other() -> None:
    model, clip = _make(), _clip()
    together = model(clip, with_attention=True)
    for i in range(3):
        alone = model(clip[i : i + 1], with_attention=True)
        torch.testing.assert_close(alone.tokens_BVD, together.tokens_BVD[i : i + 1])
        torch.testing.assert_close(alone.attention_BTP, together.attention_BTP[i : i + 1])


def test_several_clips_in_a_row_are_encoded_one_by_one_and_averaged() -> None:
    model = _make()
    clips = [_clip(), _clip().flip(1) + 0.5, -_clip()]
    together = model(torch.cat(clips, 1), with_attention=True)
    alone = [model(clip, with_attention=True) for clip in clips]
    torch.testing.assert_close(together.tokens_BVD, torch.stack([states.tokens_BVD for states in alone]).mean(0))
    torch.testing.assert_close(together.attention_BTP, torch.cat([states.attention_BTP for states in alone], 1))
    with pytest.raises(ValueError, match=r"found \(0, 3, 32, 32\).*several clips in a row"):
        model(_clip()[:, :0])


def test_rows_repeats_and_reorders_samples() -> None:
    states = _make()(_clip(), with_attention=True)
    chosen = states.rows(torch.tensor([2, 0, 0]))
    assert torch.equal(chosen.tokens_BVD, states.tokens_BVD[[2, 0, 0]])
    assert torch.equal(chosen.attention_BTP, states.attention_BTP[[2, 0, 0]])
    assert _make()(_clip()).rows(torch.tensor([1])).attention_BTP is None


def test_the_order_of_frames_matters() -> None:
    model, clip = _make(), _clip()
    assert (model(clip).tokens_BVD - model(clip.flip(1)).tokens_BVD).abs().max() > 0.01
    with torch.no_grad():
        model.time_embed.zero_()
    torch.testing.assert_close(model(clip).tokens_BVD, model(clip.flip(1)).tokens_BVD)


def test_a_temporal_identity_treats_frames_one_by_one_up_to_cls() -> None:
    model = _make(temporal_identity=True, depth=1)
    assert not model.time_embed.any() and not model.blocks[0].temporal_fc.weight.any()
    clip = _clip()
    frames = [model(clip[:, [t, t]]).tokens_BVD for t in range(2)]
    whole = model(clip).tokens_BVD
    torch.testing.assert_close(whole[:, 1:], (frames[0] + frames[1])[:, 1:] / 2)


def test_one_row_of_attention_equals_that_row_of_all() -> None:
    torch.manual_seed(0)
    attention, x = _make().blocks[0].attn, torch.randn(3, 5, 16)
    q, k, v = attention.qkv(x).chunk(3, dim=-1)
    naive = torch.zeros(3, 5)
    out = torch.zeros(3, 5, 16)
    for n in range(3):
        for head in range(2):
            part = slice(8 * head, 8 * head + 8)
            weights = (q[n, :, part] @ k[n, :, part].T / 8**0.5).softmax(-1)
            naive[n] += weights[0] / 2
            out[n, :, part] = weights @ v[n, :, part]
    found, row = attention(x, with_row=True)
    torch.testing.assert_close(row, naive)
    torch.testing.assert_close(found, attention.proj(out))
    assert attention(x)[1] is None


def test_cls_attention_is_that_of_the_last_block_over_the_samples_own_frames() -> None:
    model, clip = _make(), _clip()
    rows: list[Tensor] = []
    last = model.blocks[-1].attn
    hook = last.register_forward_pre_hook(lambda _, given: rows.append(given[0]))
    found = model(clip, with_attention=True).attention_BTP
    hook.remove()
    rows[0] = last(rows[0], with_row=True)[1]
    torch.testing.assert_close(found, rows[0].view(3, 2, 5)[:, :, 1:])
    assert not found.requires_grad


def test_activation_checkpointing_changes_neither_states_nor_gradients() -> None:
    clip = _clip()
    model = _make(drop_path=0.5).train()
    results = []
    for on in (False, True):
        model.activation_checkpointing = on
        model.zero_grad()
        torch.manual_seed(7)  # stochastic depth drops the same again
        states = model(clip, with_attention=True)
        states.tokens_BVD.square().sum().backward()
        results.append((states.tokens_BVD.detach(), {n: p.grad for n, p in model.named_parameters()}))
    (plain, gradients), (spared, spared_gradients) = results
    torch.testing.assert_close(spared, plain, rtol=0, atol=0)
    assert all(gradient is not None for gradient in gradients.values())
    for name, gradient in gradients.items():
        torch.testing.assert_close(spared_gradients[name], gradient, msg=name)


def test_the_defaults_are_vit_base_on_four_frames() -> None:
    with torch.device("meta"):
        model = TimeSformer(TimeSformerConfig())
    assert model.pos_embed.shape == (1, 197, 768) and model.time_embed.shape == (1, 4, 768)
    # docs/facts/mcg_alpro.md: 121.3 M, of which the head that is left out has 0.3 M
    assert sum(p.numel() for p in model.parameters()) == pytest.approx(121.3e6, rel=0.005)
