"""ViT of timm: with zeros behind temporal attention our encoder is the ViT, and temporal attention its copy."""

from __future__ import annotations

from pathlib import Path

import timm
import torch

from mcg.convert.convert import detect
from mcg.convert.reading import Released
from tests.mcg.convert.small_conversions import converted, loaded, small_config


def test_a_still_clip_gives_the_states_of_timms_vit() -> None:
    torch.manual_seed(0)
    options = {"img_size": 32, "patch_size": 16, "embed_dim": 64, "depth": 2, "num_heads": 1, "num_classes": 7}
    vit = timm.models.VisionTransformer(**options).eval()
    torch.nn.init.normal_(vit.pos_embed)
    state = dict(vit.state_dict())
    assert detect(Released(Path("a"), state, None)).name == "timm_vit"
    conversion = converted(state, "timm_vit", small_config())
    model = loaded(conversion)
    picture = torch.randn(3, 3, 32, 32)
    with torch.no_grad():
        expected = vit.forward_features(picture)
        found = model.vision(picture[:, None].expand(3, 2, 3, 32, 32)).tokens_BVD
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
    block = model.vision.blocks[1]
    assert torch.equal(block.temporal_attn.qkv.weight, block.attn.qkv.weight)
    assert torch.equal(block.temporal_norm1.bias, block.norm1.bias)
    assert block.temporal_attn.qkv.weight.data_ptr() != block.attn.qkv.weight.data_ptr()
    assert not block.temporal_fc.weight.any() and not model.vision.time_embed.any()
    notes = {e.note for e in conversion.entries if e.status == "missing" and e.key.startswith("vision.")}
    assert notes == {"zeros: a picture has no time", "zeros: each block begins as the ViT's own"}
