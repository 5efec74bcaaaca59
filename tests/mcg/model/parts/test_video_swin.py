"""Video Swin: shapes of any clip, true offsets in windows that are cut, SDPA, activation checkpointing, sizes.

That it gives the reference values is tests/parity's.
"""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor
from torchvision.models.video.swin_transformer import ShiftedWindowAttention3d

from mcg.model.parts.configs import VideoSwinConfig
from mcg.model.parts.video_swin import VideoSwin

HEAD_OF_400 = {"tiny": 28_158_070, "small": 49_816_678, "base": 88_048_984}
"""Parameters of the published models, with a classifier of 400 classes."""


def _config(**fields: Any) -> VideoSwinConfig:
    """2 stages of 8 and 16 channels, a shifted block in each."""
    sizes = {"width": 8, "depths": (2, 2), "num_heads": (1, 2), "window": (2, 3, 3), "drop_path": 0.0, "init_std": 0.3}
    return VideoSwinConfig.model_validate(sizes | fields)


def _make(compat: Any = "corrected", **fields: Any) -> VideoSwin:
    """Biases and offsets are drawn too, so that a forgotten one shows."""
    torch.manual_seed(0)
    model = VideoSwin(_config(**fields), compat)
    for name, parameter in model.named_parameters():
        if name.endswith(("bias", "table")):
            torch.nn.init.normal_(parameter)
    return model.eval()


def _clip(num_frames: int = 3, height: int = 32, width: int = 32, num_samples: int = 2) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(num_samples, num_frames, 3, height, width, generator=generator)


@pytest.mark.parametrize("num_frames", [1, 2, 5])
@pytest.mark.parametrize(("height", "width"), [(32, 32), (48, 32), (30, 45), (1, 9)])
def test_every_frame_keeps_its_states_whatever_the_size_of_the_clip(num_frames: int, height: int, width: int) -> None:
    states = _make()(_clip(num_frames, height, width))
    assert states.shape == (2, num_frames, math.ceil(height / 8) * math.ceil(width / 8), 16)
    assert states.isfinite().all()


@pytest.mark.parametrize("size", [1, 30, 32, 33, 64])
def test_the_config_knows_how_many_patches_a_frame_has(size: int) -> None:
    assert _make()(_clip(1, size, size)).shape[2] == _config().patches(size)
    assert VideoSwinConfig().patches(224) == 49


@pytest.mark.parametrize("shape", [(2, 3, 32, 32), (2, 3, 1, 32, 32), (2, 0, 3, 32, 32), (0, 2, 3, 32, 32)])
def test_what_is_no_clip_is_refused_with_its_shape(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"expects clips \(samples, frames, 3, height, width\), .* found \("):
        _make()(torch.zeros(shape))


def test_samples_do_not_see_each_other_and_frames_do() -> None:
    model, clip = _make(), _clip()
    together = model(clip)
    torch.testing.assert_close(model(clip[1:])[0], together[1])
    assert (model(clip.flip(1)).flip(1) - together).abs().max() > 0.01


def test_the_last_frame_is_followed_by_zeros() -> None:
    model, clip = _make(depths=(2,), num_heads=(1,), window=(1, 3, 3)), _clip(2)
    longer = torch.cat([clip, torch.zeros_like(clip[:, :1])], 1)
    torch.testing.assert_close(model(longer)[:, :2], model(clip))


@pytest.mark.parametrize("window", [(2, 3, 3), (3, 4, 2), (8, 8, 8)])
def test_states_without_gradients_are_those_with_them(window: tuple[int, ...]) -> None:
    model, clip = _make(window=window), _clip(5)
    with torch.no_grad():
        spared = model(clip)
    torch.testing.assert_close(spared, model(clip).detach())


@pytest.mark.parametrize("map_size", [(2, 3, 3), (1, 2, 3), (4, 2, 2)])
def test_biases_of_a_cut_window_are_those_of_the_true_offsets(map_size: tuple[int, int, int]) -> None:
    window, heads = (4, 3, 3), 2
    attention = _make(window=window, num_heads=(heads, heads)).blocks[0].attn
    table = torch.randn(*(2 * size - 1 for size in window), heads)
    with torch.no_grad():
        attention.relative_position_bias_table.copy_(table.view(-1, heads))
    biases = attention.get_relative_position_bias([*map_size])[0]
    places = [(t, y, x) for t in range(map_size[0]) for y in range(map_size[1]) for x in range(map_size[2])]
    for row, query in enumerate(places):
        for column, key in enumerate(places):
            offset = [q - k + size - 1 for q, k, size in zip(query, key, window, strict=True)]
            assert torch.equal(biases[:, row, column], table[tuple(offset)])


def test_as_released_a_window_cut_in_space_reads_other_offsets_and_one_cut_in_time_does_not() -> None:
    for window, differs in (((8, 4, 4), False), ((2, 8, 8), True)):
        corrected, released = (_make(compat, window=window)(_clip()) for compat in ("corrected", "released"))
        assert (float((corrected - released).detach().abs().max()) > 1e-3) == differs


def test_activation_checkpointing_changes_no_gradient_and_trains_every_weight() -> None:
    model, clip = _make(drop_path=0.3).train(), _clip(num_samples=8)
    results = []
    for on in (False, True):
        model.activation_checkpointing = on
        model.zero_grad()
        torch.manual_seed(7)  # stochastic depth drops the same again
        states = model(clip)
        states.square().sum().backward()
        results.append((states.detach(), {name: p.grad for name, p in model.named_parameters()}))
    (plain, gradients), (spared, spared_gradients) = results
    torch.testing.assert_close(spared, plain, rtol=0, atol=0)
    for name, gradient in gradients.items():
        assert gradient is not None and gradient.any(), name
        torch.testing.assert_close(spared_gradients[name], gradient, msg=name)


def test_activation_checkpointing_keeps_less(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    original = ShiftedWindowAttention3d.forward
    monkeypatch.setattr(ShiftedWindowAttention3d, "forward", lambda *given: calls.append(1) or original(*given))
    model = _make().train()
    model.activation_checkpointing = True
    model(_clip()).sum().backward()
    assert len(calls) == 2 * len(model.blocks)  # each block ran again in the backward pass


@pytest.mark.parametrize("preset", ["tiny", "small", "base"])
def test_the_presets_have_the_published_numbers_of_parameters(preset: str) -> None:
    config = VideoSwinConfig.model_validate({"preset": preset})
    with torch.device("meta"):
        model = VideoSwin(config)
    classifier = 400 * config.widths[-1] + 400
    assert sum(p.numel() for p in model.parameters()) + classifier == HEAD_OF_400[preset]
    assert len(model.blocks) == sum(config.depths)
    assert not any("index" in name for name in model.state_dict())


def test_the_defaults_are_base() -> None:
    assert VideoSwinConfig.model_validate({"preset": "base"}).model_dump(exclude={"preset"}) == (
        VideoSwinConfig().model_dump(exclude={"preset"})
    )
