"""Small models for released weights, and a conversion that has to succeed."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from mcg.convert.account import Conversion
from mcg.convert.convert import convert
from mcg.convert.families import FAMILIES
from mcg.model.mcg import MCG
from mcg.model.mcg_config import MCGConfig
from tests.mcg.convert.layouts import SMALL, Sizes

VOCABULARY = 30524


def small_config(sizes: Sizes = SMALL, text: dict[str, Any] | None = None, **fields: Any) -> MCGConfig:
    common = {"width": sizes.width, "num_heads": 1}
    side = {2: 32, 5: 32, 10: 48, 17: 64}[sizes.places]
    vision = {"image_size": side, "num_frames": sizes.frames, "depth": sizes.depth, "drop_path": 0.0}
    layers = {"num_layers": sizes.layers, "num_decoder_layers": 0, "max_positions": sizes.positions, "dropout": 0.0}
    parts = {"vision": common | vision, "text": common | layers | (text or {})}
    return MCGConfig.model_validate(parts | {"contrastive_width": sizes.projected} | fields)


def build(config: MCGConfig) -> MCG:
    """What the conversion is told to make models with."""
    return MCG(config, VOCABULARY)


def converted(state: dict[str, Tensor], family: str, config: MCGConfig | None = None, **options: Any) -> Conversion:
    """A strict conversion."""
    conversion = convert(state, FAMILIES[family], build, config, **options)
    conversion.check("small")
    return conversion


def loaded(conversion: Conversion) -> MCG:
    """A model with converted weights over its own."""
    model = MCG(conversion.config, VOCABULARY)
    assert not model.load_state_dict(conversion.state, strict=False).unexpected_keys
    return model.eval()
