"""Parameters of CLIP's published sizes and of T2VLP's, through the converter, without a weight in memory."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from transformers import CLIPConfig, CLIPModel

from mcg.model.t2vlp_config import T2vlpConfig
from tests.mcg.convert.small_clips import converted_clip, openai_clip
from tests.mcg.small_t2vlp import TEXTS

_LARGE: dict[str, Any] = {
    "text_config": {"hidden_size": 768, "intermediate_size": 3072, "num_attention_heads": 12},
    "vision_config": {
        **{"hidden_size": 1024, "intermediate_size": 4096, "num_hidden_layers": 24, "num_attention_heads": 16},
        "patch_size": 14,
    },
    "projection_dim": 768,
}


def _published(sizes: dict[str, Any]) -> dict[str, torch.Tensor]:
    with torch.device("meta"):
        return CLIPModel(CLIPConfig(**sizes)).state_dict()


def _count(config: T2vlpConfig) -> int:
    with torch.device("meta"):
        return sum(parameter.numel() for parameter in config.build(TEXTS).parameters())


@pytest.mark.parametrize(
    ("sizes", "count"),
    [
        ({"vision_config": {"patch_size": 32}}, 151_277_313),
        ({"vision_config": {"patch_size": 16}}, 149_620_737),
        (_LARGE, 427_616_513),
    ],
)
def test_clip_has_the_published_sizes(sizes: dict[str, Any], count: int) -> None:
    conversion = converted_clip(_published(sizes), "hf_clip", None)
    assert _count(conversion.config) == count
    counts = conversion.counts()
    assert counts["missing"] == counts["unexpected"] == counts["dropped"] == 0


def _released() -> dict[str, torch.Tensor]:
    """T2VLP's keys at full size, by docs/facts/t2vlp.md 1: CLIP, a second visual tower of two blocks, the fusion with
    all of its blocks, and what stands beside them."""
    clip = openai_clip(_published({"vision_config": {"patch_size": 16}}))
    text = {key: value for key, value in clip.items() if key.startswith("transformer.")}
    local = {
        key.removeprefix("visual."): value
        for key, value in clip.items()
        if key.startswith("visual.") and not any(f"resblocks.{number}." in key for number in range(2, 12))
    }
    fusion = {
        "center": (1, 1, 8, 768),
        "proj_center.weight": (512, 768),
        "proj_center.bias": (512,),
        "positional_embedding": (77, 512),
        "proj_embedding": (512, 512),
        "logit_bias": (49408,),
        "match_matrix": (512, 512),
        "unmatch_matrix": (512, 512),
    }
    linear = {"lm_head": "clip.lm_head", "visual": "visual_linear"}
    return {
        **{f"clip.{key}": value for key, value in clip.items()},
        **{f"clip.local_visual.{key}": value for key, value in local.items()},
        **{f"clip.fusion_{key}": value for key, value in text.items()},
        **{f"clip.fusion_{name}": torch.empty(shape, device="meta") for name, shape in fusion.items()},
        **{f"{name}.weight": torch.empty(512, 512, device="meta") for name in linear.values()},
        **{f"{name}.bias": torch.empty(512, device="meta") for name in linear.values()},
    }


def test_t2vlp_has_the_released_sizes() -> None:
    conversion = converted_clip(_released(), "t2vlp", None)
    assert conversion.config == T2vlpConfig(name="t2vlp")
    clip, block, text_block = 149_620_737, 7_087_872, 3_152_384
    tubes = 8 * 768 + (768 + 1) * 512 + 2 * block + 2 * 768 + 768 * 512
    fusion = 77 * 512 + 6 * text_block + 512 * 512 + 49_408 + 2 * 512 * 512
    assert _count(conversion.config) == clip + tubes + fusion
    dropped = {entry.key: entry.note for entry in conversion.entries if entry.status == "dropped"}
    behind = {key for key, note in dropped.items() if "block" in note}
    assert len(behind) == 6 * 12 and all(int(key.split(".")[3]) >= 6 for key in behind)
    assert len(dropped) == len(behind) + 5 + 4
    assert {entry.status for entry in conversion.entries} == {"used", "dropped"}


def test_t2vlp_begins_at_clip() -> None:
    conversion = converted_clip(_published({"vision_config": {"patch_size": 16}}), "hf_clip", T2vlpConfig(name="t2vlp"))
    notes = {entry.key: entry.note for entry in conversion.entries if entry.status == "missing"}
    assert notes["tubes.blocks.0.mlp.fc1.weight"] == "begins as vision.blocks.10.mlp.fc1.weight"
    assert notes["tubes.blocks.1.mlp.fc1.weight"] == "begins as vision.blocks.11.mlp.fc1.weight"
    assert notes["fusion.blocks.5.mlp.fc1.weight"] == "begins as text.blocks.5.mlp.fc1.weight"
    assert notes["fusion.positions"] == "begins as text.embeddings.position_embedding.weight"
