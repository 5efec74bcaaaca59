"""Names and shapes of released state dicts (docs/facts/mcg_alpro.md 8.3), in any size; the defaults are base.

Held by test_parameter_counts.py: entries and parameters of section 8, and the keys of the reference values.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

Shapes = dict[str, tuple[int, ...]]


@dataclass(frozen=True)
class Sizes:
    """A released model."""

    width: int = 768
    depth: int = 12
    layers: int = 12
    frames: int = 4
    places: int = 197
    positions: int = 512
    words: int = 30522
    patch: int = 16
    projected: int = 256


SMALL = Sizes(width=64, depth=2, layers=2, frames=2, places=5, positions=24, projected=8)


def linear(name: str, out: int, into: int) -> Shapes:
    return {f"{name}.weight": (out, into), f"{name}.bias": (out,)}


def norm(name: str, width: int) -> Shapes:
    return {f"{name}.weight": (width,), f"{name}.bias": (width,)}


def vit(prefix: str, s: Sizes, time: bool, classes: int = 400) -> Shapes:
    D = s.width
    found: Shapes = {f"{prefix}cls_token": (1, 1, D), f"{prefix}pos_embed": (1, s.places, D)}
    if time:
        found[f"{prefix}time_embed"] = (1, s.frames, D)
    found |= {f"{prefix}patch_embed.proj.weight": (D, 3, s.patch, s.patch), f"{prefix}patch_embed.proj.bias": (D,)}
    for number in range(s.depth):
        block = f"{prefix}blocks.{number}."
        found |= norm(f"{block}norm1", D) | norm(f"{block}norm2", D)
        found |= linear(f"{block}attn.qkv", 3 * D, D) | linear(f"{block}attn.proj", D, D)
        found |= linear(f"{block}mlp.fc1", 4 * D, D) | linear(f"{block}mlp.fc2", D, 4 * D)
        if time:
            found |= norm(f"{block}temporal_norm1", D) | linear(f"{block}temporal_fc", D, D)
            found |= linear(f"{block}temporal_attn.qkv", 3 * D, D) | linear(f"{block}temporal_attn.proj", D, D)
    return found | norm(f"{prefix}norm", D) | linear(f"{prefix}head", classes, D)


def bert(prefix: str, s: Sizes, types: bool, cross: bool, position_ids: bool = True) -> Shapes:
    D = s.width
    found: Shapes = {f"{prefix}embeddings.position_ids": (1, s.positions)} if position_ids else {}
    found[f"{prefix}embeddings.word_embeddings.weight"] = (s.words, D)
    found[f"{prefix}embeddings.position_embeddings.weight"] = (s.positions, D)
    if types:
        found[f"{prefix}embeddings.token_type_embeddings.weight"] = (2, D)
    found |= norm(f"{prefix}embeddings.LayerNorm", D)
    for number in range(s.layers):
        layer = f"{prefix}encoder.layer.{number}."
        for attention in ("attention", "crossattention") if cross else ("attention",):
            for part in ("query", "key", "value"):
                found |= linear(f"{layer}{attention}.self.{part}", D, D)
            found |= linear(f"{layer}{attention}.output.dense", D, D)
            found |= norm(f"{layer}{attention}.output.LayerNorm", D)
        found |= linear(f"{layer}intermediate.dense", 4 * D, D) | linear(f"{layer}output.dense", D, 4 * D)
        found |= norm(f"{layer}output.LayerNorm", D)
    return found


def token_head(prefix: str, s: Sizes) -> Shapes:
    D = s.width
    found: Shapes = {f"{prefix}.bias": (s.words,)}
    found |= linear(f"{prefix}.transform.dense", D, D) | norm(f"{prefix}.transform.LayerNorm", D)
    return found | linear(f"{prefix}.decoder", s.words, D)


def projections(s: Sizes) -> Shapes:
    return {"temp": ()} | linear("vision_proj", s.projected, s.width) | linear("text_proj", s.projected, s.width)


def mcg_pretrain(s: Sizes) -> Shapes:
    text = bert("text_encoder.", s, types=False, cross=True) | token_head("text_encoder.cls.predictions", s)
    return vit("visual_encoder.model.", s, time=True) | text | projections(s)


def mcg_qa(s: Sizes) -> Shapes:
    decoder = bert("text_decoder.bert.", s, types=False, cross=True)
    heads = token_head("text_decoder.bert.cls.predictions", s) | token_head("text_decoder.cls.predictions", s)
    return mcg_pretrain(s) | decoder | heads


def alpro_retrieval(s: Sizes) -> Shapes:
    text = bert("text_encoder.bert.", s, types=True, cross=False) | token_head("text_encoder.cls.predictions", s)
    return vit("visual_encoder.model.", s, time=True) | text | projections(s) | linear("itm_head", 2, s.width)


def alpro_prompter(s: Sizes, entities: int = 1000) -> Shapes:
    features: Shapes = {f"{kind}_prompt_feat": (entities, s.projected) for kind in ("video", "image")}
    return alpro_retrieval(s) | features


def alpro_pretrain(s: Sizes, entities: int = 1000) -> Shapes:
    prompter = {f"prompter.{key}": shape for key, shape in alpro_prompter(s, entities).items()}
    head = linear("mpm_head.0", 2 * s.width, s.width) | linear("mpm_head.2", entities, 2 * s.width)
    return alpro_retrieval(s) | prompter | head


def alpro_qa(s: Sizes, classes: int) -> Shapes:
    text = bert("text_encoder.", s, types=True, cross=False)
    classifier = linear("classifier.0", 2 * s.width, s.width) | linear("classifier.2", classes, 2 * s.width)
    visual = vit("visual_encoder.model.", s, time=True)
    return visual | text | projections(s) | linear("itm_head", 2, s.width) | classifier


def lavis_retrieval(s: Sizes, head: bool = False) -> Shapes:
    """ALPRO's model for retrieval as LAVIS has it: no head for masked words, and its visual encoder sheds its own."""
    visual = {
        key: shape for key, shape in vit("visual_encoder.model.", s, time=True).items() if head or ".head." not in key
    }
    text = bert("text_encoder.", s, types=True, cross=False)
    return visual | text | projections(s) | linear("itm_head", 2, s.width)


def blip(s: Sizes) -> Shapes:
    own = vit("visual_encoder.", s, time=False) | bert("text_encoder.", s, types=False, cross=True)
    own |= bert("text_decoder.bert.", s, types=False, cross=True) | token_head("text_decoder.cls.predictions", s)
    copies = {f"visual_encoder_m.{key.removeprefix('visual_encoder.')}": own[key] for key in own if "blocks.0" in key}
    copies |= {"text_proj_m.weight": (s.projected, s.width), "image_queue": (s.projected, 9), "queue_ptr": (1,)}
    return own | copies | projections(s) | linear("itm_head", 2, s.width)


def hugging_face_bert(s: Sizes, old_names: bool = True) -> Shapes:
    found = bert("bert.", s, types=True, cross=False, position_ids=False) | token_head("cls.predictions", s)
    del found["cls.predictions.decoder.bias"], found["cls.predictions.decoder.weight"]  # shared, so held once
    found |= linear("bert.pooler.dense", s.width, s.width) | linear("cls.seq_relationship", 2, s.width)
    if not old_names:
        return found
    renamed = (("LayerNorm.weight", "LayerNorm.gamma"), ("LayerNorm.bias", "LayerNorm.beta"))
    for new, old in renamed:
        found = {key.replace(new, old): shape for key, shape in found.items()}
    return found


TIED = (
    ("cls.predictions.decoder.bias", "cls.predictions.bias"),
    ("cls.predictions.decoder.weight", "bert.embeddings.word_embeddings.weight"),
)
"""(end of a key, end of the key whose weight it shares): where both are in a state dict."""


def tied_to(shapes: Shapes) -> dict[str, str]:
    """The keys that share the weight of another, and which."""
    found = {}
    for key in shapes:
        for own, other in TIED:
            if key.endswith(own) and key.removesuffix(own) + other in shapes:
                found[key] = key.removesuffix(own) + other
    return found


def draw(shapes: Shapes, seed: int = 0) -> dict[str, Tensor]:
    """A state dict, weights shared where the release shares them."""
    generator = torch.Generator().manual_seed(seed)
    state: dict[str, Any] = {}
    for key, shape in shapes.items():
        whole = key.endswith(("position_ids", "queue_ptr"))
        state[key] = torch.zeros(shape, dtype=torch.long) if whole else torch.randn(shape, generator=generator)
    for key, other in tied_to(shapes).items():
        state[key] = state[other]
    return state
