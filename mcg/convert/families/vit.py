"""ViT of timm, e.g. vit_base_patch16_224: the visual encoder, before it has seen time.

As in ALPRO and MCG (docs/facts/mcg_alpro.md 1), the temporal attention of each block starts as a copy of its
spatial attention and norm, behind a `temporal_fc` of zeros: a block begins as the ViT's own. ALPRO's timm (0.4.12)
meant the weights now called augreg_in21k_ft_in1k; a newer timm gives augreg2_in21k_ft_in1k for the bare name.
"""

from __future__ import annotations

from mcg.convert.families.mcg_model import MCG_MODEL, derive
from mcg.convert.families.timesformer import HEAD
from mcg.convert.rules import Family, Fill, Rule

TIMM_VIT = Family(
    name="timm_vit",
    title="ViT of timm",
    signs=(r"blocks\.0\.attn\.qkv\.weight", r"patch_embed\.proj\.weight", r"cls_token"),
    rules=(
        Rule(r"(?:head|fc_norm|pre_logits)\..+", reason=HEAD),
        Rule(r"blocks\.(\d+)\.attn\.(.+)", (r"vision.blocks.\1.attn.\2", r"vision.blocks.\1.temporal_attn.\2")),
        Rule(r"blocks\.(\d+)\.norm1\.(.+)", (r"vision.blocks.\1.norm1.\2", r"vision.blocks.\1.temporal_norm1.\2")),
        Rule(r"((?:cls_token|pos_embed)|(?:patch_embed|norm|blocks)\..+)", (r"vision.\1",)),
    ),
    target=MCG_MODEL,
    derive=derive,
    needs=("vision.",),
    fills=(
        Fill(r"vision\.time_embed", "zeros", "a picture has no time"),
        Fill(r"vision\.blocks\.\d+\.temporal_fc\..+", "zeros", "each block begins as the ViT's own"),
    ),
    known=tuple(
        (name, f"timm/{name}", "model.safetensors")
        for name in ("vit_base_patch16_224.augreg_in21k_ft_in1k", "vit_base_patch16_224.augreg2_in21k_ft_in1k")
    ),
)
