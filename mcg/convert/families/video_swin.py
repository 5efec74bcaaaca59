"""Video Swin of Kinetics, and Swin of pictures inflated in time, as the visual encoder (docs/facts/lavender.md 1).

Kinetics' files (SwinTransformer/Video-Swin-Transformer, by mmaction) keep the weights under `state_dict`, with keys
that begin with `backbone.`; torchvision's have our names. Of files of pictures (microsoft/Swin-Transformer, and timm's)
the kernel and the biases of offsets get an axis of time (resize.py).
"""

from __future__ import annotations

import dataclasses

from mcg.convert.families.lavender_model import LAVENDER_MODEL, derive
from mcg.convert.families.swin import swin_rules
from mcg.convert.families.timesformer import HEAD
from mcg.convert.rules import Family, Rule

_STORE = "https://github.com/SwinTransformer/storage/releases/download/v1.0.4"

VIDEO_SWIN = Family(
    name="video_swin",
    title="Video Swin, or Swin of pictures",
    signs=(
        r"(?:backbone\.)?(?:layers\.0\.blocks\.0|features\.0\.0)\.attn\.relative_position_bias_table",
        r"(?:backbone\.)?patch_embed\.proj\.weight",
    ),
    rules=(
        Rule(r"(?:cls_head|head)\..+", reason=HEAD),
        *swin_rules(r"(?:backbone\.)?"),
        Rule(r"(features\..+)", (r"vision.\1",)),
    ),
    target=LAVENDER_MODEL,
    derive=derive,
    needs=("vision.",),
    known=tuple(
        (f"swin_{name}", f"{_STORE}/swin_{name}.pth", f"swin_{name}.pth")
        for name in (
            "base_patch244_window877_kinetics600_22k",
            "base_patch244_window877_kinetics400_22k",
            "small_patch244_window877_kinetics400_1k",
            "tiny_patch244_window877_kinetics400_1k",
        )
    ),
)

TIMM_SWIN = dataclasses.replace(
    VIDEO_SWIN,
    name="timm_swin",
    title="Swin of timm",
    signs=(r"layers\.0\.blocks\.0\.attn\.relative_position_bias_table", r"layers\.3\.downsample\.reduction\.weight"),
    rules=(Rule(r"head\..+", reason=HEAD), *swin_rules("", merges_first=True)),
    known=(),
)
