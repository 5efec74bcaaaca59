"""Swin's weights under our names: pictures' inflated give the pictures' states, and shapes tell the sizes."""

from __future__ import annotations

import re
from typing import Any

import pytest
import timm
import torch
from torch import Tensor

from mcg.convert.families.swin import SWIN_RESIZES, compare_window, swin_rules, swin_sizes, swin_window
from mcg.convert.resize import fit
from mcg.convert.rules import ConvertError, Rule
from mcg.model.parts.configs import VideoSwinConfig
from mcg.model.parts.video_swin import VideoSwin

SIZES = {"width": 8, "depths": (2, 2), "num_heads": (1, 2)}


def _pictures() -> torch.nn.Module:
    """timm's Swin of pictures with windows of 4 x 4, biases of offsets drawn."""
    torch.manual_seed(0)
    sizes = {"embed_dim": 8, "depths": (2, 2), "num_heads": (1, 2), "window_size": 4}
    swin = timm.models.SwinTransformer(img_size=32, patch_size=4, num_classes=3, **sizes).eval()
    for name, parameter in swin.named_parameters():
        if name.endswith(("bias", "table")):
            torch.nn.init.normal_(parameter)
    return swin


def _encoder(window: tuple[int, int, int]) -> VideoSwin:
    return VideoSwin(VideoSwinConfig.model_validate({**SIZES, "window": window, "drop_path": 0.0})).eval()


def _named(state: dict[str, Tensor], rules: tuple[Rule, ...]) -> dict[str, Tensor]:
    """By our names; what no rule is about, and what one drops, is left out."""
    found: dict[str, Tensor] = {}
    for key, tensor in state.items():
        names = next((names for rule in rules if (names := rule.apply(key)) is not None), ())
        found.update(dict.fromkeys(names, tensor))
    return found


def _loaded(model: VideoSwin, named: dict[str, Tensor]) -> VideoSwin:
    own = {f"vision.{name}": tuple(tensor.shape) for name, tensor in model.state_dict().items()}
    assert named.keys() == own.keys()
    fitted = {name: fit(name, tensor, own[name], SWIN_RESIZES)[0] for name, tensor in named.items()}
    model.load_state_dict({name.removeprefix("vision."): tensor for name, tensor in fitted.items()})
    return model


@pytest.mark.parametrize("merges_first", [True, False])
def test_inflated_weights_of_pictures_give_their_states_of_a_still_clip(merges_first: bool) -> None:
    swin = _pictures()
    state = dict(swin.state_dict())
    if not merges_first:  # as Microsoft counts them
        state = {re.sub(r"layers\.1\.downsample", "layers.0.downsample", key): t for key, t in state.items()}
    picture = torch.randn(2, 3, 32, 32)
    still = picture[:, None].expand(2, 3, 3, 32, 32)
    with torch.no_grad():
        expected = swin.forward_features(picture).flatten(1, 2)
        found = _loaded(_encoder((1, 4, 4)), _named(state, swin_rules("", merges_first)))(still)
        # the last patch of a clip sees the zeros behind it
        torch.testing.assert_close(found[:, 0], expected, rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(found[:, 1], expected, rtol=1e-4, atol=1e-5)
        assert (found[:, 2] - expected).abs().max() > 0.01
        # where all frames are equal, so is what a window over several of them attends to
        model = _loaded(_encoder((2, 4, 4)), _named(state, swin_rules("", merges_first)))
        model.patch_embed.register_forward_hook(lambda _, __, x: x[:, :1].expand_as(x))
        torch.testing.assert_close(model(still)[:, 0], expected, rtol=1e-4, atol=1e-5)


def test_another_window_of_pictures_is_resized_over_height_and_width_alone() -> None:
    table = torch.arange(7.0).repeat_interleave(7)[:, None]  # the value is the offset in height
    made, note = fit("vision.features.0.0.attn.relative_position_bias_table", table, (15 * 169, 1), SWIN_RESIZES)
    assert note == "7 x 7 offsets to 13 x 13, bicubic; the same at 15 offsets in time"
    grid = made.view(15, 13, 13)
    torch.testing.assert_close(grid, grid[:1, :, :1].expand(15, 13, 13))
    assert (grid[0, 1:, 0] > grid[0, :-1, 0]).all()
    same, note = fit("vision.features.0.0.attn.relative_position_bias_table", table, (15 * 49, 1), SWIN_RESIZES)
    assert torch.equal(same.view(15, 49, 1)[7], table) and note == "the same at 15 offsets in time"


def test_the_kernel_of_pictures_sums_to_itself_over_time() -> None:
    kernel = torch.randn(8, 3, 4, 4)
    made, note = fit("vision.patch_embed.proj.weight", kernel, (8, 3, 2, 4, 4), SWIN_RESIZES)
    torch.testing.assert_close(made.sum(2), kernel)
    assert torch.equal(made[:, :, 0], made[:, :, 1]) and note == "2 equal steps in time, divided by 2"


@pytest.mark.parametrize(
    ("name", "found", "shape", "message"),
    [
        ("features.0.0.attn.relative_position_bias_table", (75, 1), (2535, 1), r"\(75, 1\) there, \(2535, 1\) here"),
        ("features.0.0.attn.relative_position_bias_table", (49, 2), (2535, 1), r"\(49, 2\) there"),
        ("features.0.0.attn.relative_position_bias_table", (169, 1), (441, 1), r"window to \(8, 7, 7\)"),
        ("patch_embed.proj.weight", (8, 3, 2, 4), (8, 3, 2, 4, 4), r"\(8, 3, 2, 4\) there"),
        ("patch_embed.proj.weight", (8, 3, 4, 4, 4), (8, 3, 2, 4, 4), r"\(8, 3, 4, 4, 4\) there"),
    ],
)
def test_what_does_not_fit_is_named(name: str, found: tuple[int, ...], shape: tuple[int, ...], message: str) -> None:
    with pytest.raises(ConvertError, match=message):
        fit(f"vision.{name}", torch.zeros(found), shape, SWIN_RESIZES)


def _shapes(config: VideoSwinConfig) -> dict[str, tuple[int, ...]]:
    with torch.device("meta"):
        return {f"vision.{name}": tuple(p.shape) for name, p in VideoSwin(config).named_parameters()}


@pytest.mark.parametrize("fields", [{"preset": "tiny"}, {"preset": "base"}, {**SIZES, "window": (2, 3, 3)}])
def test_shapes_tell_width_depths_heads_and_window(fields: dict[str, Any]) -> None:
    config = VideoSwinConfig.model_validate(fields)
    shapes = _shapes(config)
    found = VideoSwinConfig.model_validate({**swin_sizes(shapes), "window": swin_window(shapes)})
    assert found.model_dump(exclude={"preset"}) == config.model_dump(exclude={"preset"})
    assert swin_sizes({"text.a": (3,)}) == {}


def test_a_swin_of_pictures_gets_a_window_of_eight_frames() -> None:
    shapes = _named(_pictures().state_dict(), swin_rules("", merges_first=True))
    sizes = {name: tuple(tensor.shape) for name, tensor in shapes.items()}
    assert swin_sizes(sizes) == SIZES and swin_window(sizes) == (8, 4, 4)


def test_shapes_that_tell_no_window_are_refused() -> None:
    shapes = _shapes(VideoSwinConfig.model_validate({**SIZES, "window": (5, 4, 4)}))
    with pytest.raises(ConvertError, match=r"441 offsets within a window do not tell the window; give --config"):
        swin_window(shapes)
    shapes["vision.features.0.0.attn.relative_position_bias_table"] = (2535, 1)
    with pytest.raises(ConvertError, match=r"of 2 sizes, expected one"):
        swin_window(shapes)


def test_a_window_of_clips_must_be_the_models() -> None:
    shapes = _shapes(VideoSwinConfig.model_validate({**SIZES, "window": (2, 3, 3)}))
    compare_window(shapes, VideoSwinConfig.model_validate({**SIZES, "window": (2, 3, 3)}))
    with pytest.raises(ConvertError, match=r"75 offsets .*window \(8, 7, 7\) has 2535; set it to \(2, 3, 3\)"):
        compare_window(shapes, VideoSwinConfig.model_validate(SIZES))
    pictures = {"vision.patch_embed.proj.weight": (8, 3, 4, 4)}
    table = {"vision.features.0.0.attn.relative_position_bias_table": (49, 1)}
    compare_window(pictures | table, VideoSwinConfig.model_validate(SIZES))
