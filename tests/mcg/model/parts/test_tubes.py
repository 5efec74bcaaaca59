"""Tubes: what a naive loop gives, blind to the order of frames and to padded ones, gradients as the config says."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from mcg.model.parts.configs import TubesConfig
from mcg.model.parts.tubes import Tubes, TubeStates
from tests.mcg.small_clip import draw_biases, make_clips, make_vision, never_called, vision_config


def _make(**fields: Any) -> Tubes:
    """3 centres, 2 blocks; attention far from uniform."""
    torch.manual_seed(5)
    tubes = draw_biases(Tubes(TubesConfig.model_validate({"num_centres": 3, **fields}), vision_config())).eval()
    with torch.no_grad():
        tubes.centres.mul_(4)
    return tubes


def _middle(num_samples: int = 2, num_frames: int = 4) -> Tensor:
    return torch.randn(num_samples, num_frames, 5, 32, generator=torch.Generator().manual_seed(6))


@pytest.mark.parametrize(("num_centres", "num_layers", "num_frames"), [(3, 2, 4), (1, 1, 1), (8, 3, 7)])
@torch.no_grad()
def test_tubes_are_those_of_a_naive_loop(num_centres: int, num_layers: int, num_frames: int) -> None:
    model, middle = _make(num_centres=num_centres, num_layers=num_layers), _middle(num_frames=num_frames)
    found: TubeStates = model(middle)
    assert found.tubes_BKE.shape == (2, num_centres, 24) and found.centres_KE.shape == (num_centres, 24)
    assert found.attention_BKTP.shape == (2, num_centres, num_frames, 4)
    for sample in range(2):
        for number, centre in enumerate(model.centres[0, 0]):
            sequence = [middle[sample, :, 0].mean(0)]
            for frame in range(num_frames):
                patches = middle[sample, frame, 1:]
                weights = torch.tensor([float(centre @ patch) for patch in patches]).softmax(0)
                torch.testing.assert_close(found.attention_BKTP[sample, number, frame], weights)
                sequence.append(sum((w * patch for w, patch in zip(weights, patches, strict=True)), torch.zeros(32)))
            end = model.blocks(torch.stack(sequence)[None])[:, 0]
            torch.testing.assert_close(found.tubes_BKE[sample, number], model.head(end)[0], rtol=1e-4, atol=1e-4)
            torch.testing.assert_close(found.centres_KE[number], model.text_proj(centre))


@pytest.mark.parametrize("order", [(1, 0, 2, 3), (3, 2, 1, 0), (2, 0, 3, 1)])
@torch.no_grad()
def test_the_order_of_frames_changes_no_tube(order: tuple[int, ...]) -> None:
    vision, tubes, clips = make_vision(joint_from=1), _make(), make_clips()
    found, shuffled = (tubes(vision(given).middle_BTVD) for given in (clips, clips[:, order]))
    torch.testing.assert_close(shuffled.tubes_BKE, found.tubes_BKE, rtol=0, atol=1e-5)
    torch.testing.assert_close(shuffled.attention_BKTP, found.attention_BKTP[:, :, order], rtol=0, atol=1e-5)


@torch.no_grad()
def test_a_masked_frame_changes_nothing_and_one_that_attends_does() -> None:
    model, middle = _make(), _middle()
    mask_BT = torch.tensor([[True, True, True, False], [False, True, False, True]])
    found = model(middle, mask_BT).tubes_BKE
    for sample, kept in enumerate(mask_BT):
        alone = model(middle[sample : sample + 1, kept]).tubes_BKE
        torch.testing.assert_close(found[sample : sample + 1], alone, rtol=0, atol=1e-5)
    assert float((model(middle).tubes_BKE - found).abs().max()) > 1e-3
    everything = model(middle, torch.ones_like(mask_BT)).tubes_BKE
    torch.testing.assert_close(model(middle).tubes_BKE, everything, rtol=0, atol=1e-5)


@pytest.mark.parametrize("goes_on", [True, False])
def test_gradients_go_on_into_the_visual_tower_as_the_config_says(goes_on: bool) -> None:
    vision, tubes = make_vision(joint_from=1), _make(middle_gradient=goes_on)
    tubes(vision(make_clips()).middle_BTVD).tubes_BKE.square().sum().backward()
    assert (vision.embeddings.class_embedding.grad is not None) == goes_on
    assert tubes.centres.grad is not None and tubes.centres.grad.any()


def test_activation_checkpointing_changes_no_gradient() -> None:
    model, middle = _make().train(), _middle()
    found = []
    for on in (False, True):
        model.blocks.activation_checkpointing = on
        model.zero_grad()
        states = model(middle)
        (states.tubes_BKE.square().sum() + states.centres_KE.square().sum()).backward()
        found.append({name: parameter.grad for name, parameter in model.named_parameters()})
    for name, gradient in found[0].items():
        assert gradient is not None and (gradient.any() or name.endswith("k_proj.bias")), name
        torch.testing.assert_close(found[1][name], gradient, msg=name)


def test_every_weight_is_in_a_module_that_is_called() -> None:
    model = _make()
    assert never_called(model, lambda: model(_middle())) == []
