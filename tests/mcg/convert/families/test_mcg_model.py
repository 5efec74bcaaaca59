"""The model that a checkpoint was made for, from names and shapes; sizes that differ are named by their config key."""

from __future__ import annotations

import pytest
import torch

from mcg.convert.convert import convert
from mcg.convert.families import FAMILIES, TARGETS
from mcg.convert.rules import ConvertError
from tests.mcg.convert import layouts
from tests.mcg.convert.layouts import SMALL, Sizes, draw
from tests.mcg.convert.small_conversions import build, converted, small_config


def test_sizes_are_read_from_the_shapes() -> None:
    sizes = Sizes(width=128, depth=3, layers=4, frames=8, places=10, positions=40, projected=32)
    config = converted(draw(layouts.alpro_retrieval(sizes)), "alpro").config
    vision, text = config.vision, config.text
    assert (vision.width, vision.num_heads, vision.depth, vision.num_frames, vision.image_size) == (128, 2, 3, 8, 48)
    assert (text.num_layers, text.num_fusion_layers, text.max_positions, config.contrastive_width) == (4, 2, 40, 32)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (
            small_config(Sizes(**{**SMALL.__dict__, "width": 128})),
            r"of width 64, and model\.vision\.width is 128",
        ),
        (
            small_config(Sizes(**{**SMALL.__dict__, "depth": 3})),
            r"of depth 2, and model\.vision\.depth is 3",
        ),
        (small_config(text={"num_layers": 5}), r"of layers 2, and model\.text\.num_layers is 5"),
    ],
)
def test_another_size_is_named_by_its_key(config: object, message: str) -> None:
    with pytest.raises(ConvertError, match=message):
        converted(draw(layouts.alpro_retrieval(SMALL)), "alpro", config)  # type: ignore[arg-type]


def test_a_width_that_does_not_tell_the_heads_asks_for_a_config() -> None:
    with pytest.raises(ConvertError, match=r"^ViT of timm: 96 channels do not tell the number of heads; give --config"):
        convert({"cls_token": torch.zeros(1, 1, 96)}, FAMILIES["timm_vit"], build)


def test_shapes_of_nothing_are_refused() -> None:
    with pytest.raises(ConvertError, match=r"BERT of Hugging Face: neither a visual encoder nor a text encoder in it"):
        convert({}, FAMILIES["bert"], build)
    with pytest.raises(ConvertError, match=r"ViT of timm: shapes that no model has"):
        convert({"cls_token": torch.zeros(1, 1, 0)}, FAMILIES["timm_vit"], build)


def test_every_weight_of_the_model_is_in_a_section() -> None:
    config = small_config(text={"num_decoder_layers": 1}, matching_head=True, num_classes=3)
    assert not [name for name, _ in build(config).named_parameters() if TARGETS[config.name].section(name) is None]
