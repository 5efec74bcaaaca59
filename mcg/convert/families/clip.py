r"""CLIP as OpenAI, open_clip and Hugging Face publish it, with a vision transformer (docs/facts/t2vlp.md 1).

OpenAI keeps query, key and value in one matrix, one after the other, and the projections with a row for each input,
where a linear layer has one for each output. T2VLP's names are OpenAI's with a prefix, and so are those of
open_clip's models with a text tower of their own (`text.`). Prefixes are regular expressions without groups.

Tubes and fusion of a model that has them begin as copies of the towers.
"""

from __future__ import annotations

import dataclasses

from mcg.convert.families.t2vlp_model import T2VLP_MODEL, begins, derive
from mcg.convert.rules import POSITION_IDS, ConvertError, Family, Rule, Shapes
from mcg.model.t2vlp_config import T2vlpConfig

_IN_BLOCK = {
    r"attn\.out_proj": "self_attn.out_proj",
    "ln_1": "layer_norm1",
    "ln_2": "layer_norm2",
    r"mlp\.c_fc": "mlp.fc1",
    r"mlp\.c_proj": "mlp.fc2",
}


def openai_blocks(prefix: str, ours: str) -> tuple[Rule, ...]:
    """Rules for the blocks of a transformer of OpenAI's kind."""
    block = rf"{prefix}transformer\.resblocks\.(\d+)\."
    projections = tuple(rf"{ours}.\1.self_attn.{name}_proj.\2" for name in "qkv")
    return (
        Rule(rf"{block}attn\.in_proj_(weight|bias)", projections, form="cut"),
        *(Rule(rf"{block}{theirs}\.(.+)", (rf"{ours}.\1.{own}.\2",)) for theirs, own in _IN_BLOCK.items()),
    )


def openai_head(prefix: str, norm: str, proj: str, ours: str) -> tuple[Rule, ...]:
    """Rules for a norm and the projection behind it."""
    return (
        Rule(rf"{prefix}{norm}\.(.+)", (rf"{ours}.norm.\1",)),
        Rule(rf"{prefix}{proj}", (f"{ours}.proj.weight",), form="transposed"),
    )


def openai_rules(prefix: str = "", text: str = "") -> tuple[Rule, ...]:
    """Rules for both towers and the scale of logits, as OpenAI names them. text: a prefix of the text tower alone."""
    visual, text = rf"{prefix}visual\.", f"{prefix}{text}"
    return (
        Rule(rf"{visual}class_embedding", ("vision.embeddings.class_embedding",)),
        Rule(rf"{visual}conv1\.weight", ("vision.embeddings.patch_embedding.weight",)),
        Rule(rf"{visual}positional_embedding", ("vision.embeddings.position_embedding.weight",)),
        Rule(rf"{visual}ln_pre\.(.+)", (r"vision.norm_pre.\1",)),
        *openai_blocks(visual, "vision.blocks"),
        *openai_head(visual, "ln_post", "proj", "vision.head"),
        Rule(rf"{text}token_embedding\.weight", ("text.embeddings.token_embedding.weight",)),
        Rule(rf"{text}positional_embedding", ("text.embeddings.position_embedding.weight",)),
        *openai_blocks(text, "text.blocks"),
        *openai_head(text, "ln_final", "text_projection", "text.head"),
        Rule(rf"{prefix}logit_scale", ("logit_scale",)),
        Rule(rf"{prefix}(?:input_resolution|context_length|vocab_size)", reason="a size: not a weight"),
        Rule(rf"{text}attn_mask", reason="made from the context length: not a weight"),
    )


def huggingface_rules() -> tuple[Rule, ...]:
    """Rules for both towers and the scale of logits, as `transformers.CLIPModel` names them."""
    return (
        Rule(r"(?:text|vision)_model\.embeddings\.position_ids", reason=POSITION_IDS),
        Rule(r"vision_model\.pre_layrnorm\.(.+)", (r"vision.norm_pre.\1",)),
        Rule(r"vision_model\.post_layernorm\.(.+)", (r"vision.head.norm.\1",)),
        Rule(r"text_model\.final_layer_norm\.(.+)", (r"text.head.norm.\1",)),
        Rule(r"visual_projection\.weight", ("vision.head.proj.weight",)),
        Rule(r"text_projection\.weight", ("text.head.proj.weight",)),
        Rule(r"(vision|text)_model\.embeddings\.(.+)", (r"\1.embeddings.\2",)),
        Rule(r"(vision|text)_model\.encoder\.layers\.(.+)", (r"\1.blocks.\2",)),
        Rule(r"logit_scale", ("logit_scale",)),
    )


def _derive_none(shapes: Shapes) -> T2vlpConfig:
    """Raises ConvertError: OpenAI's models have one activation, these have two."""
    raise ConvertError(
        "its weights do not tell the activation of its MLPs; give --config, with model.vision.activation and "
        "model.text.activation: gelu for most of open_clip's own, quick_gelu for OpenAI's and those named so"
    )


OPENAI_CLIP = Family(
    name="openai_clip",
    title="CLIP of OpenAI",
    signs=(
        r"visual\.transformer\.resblocks\.0\.attn\.in_proj_weight",
        r"transformer\.resblocks\.0\.attn\.in_proj_weight",
        "input_resolution",
    ),
    rules=openai_rules(),
    target=T2VLP_MODEL,
    derive=derive,
    needs=("vision.", "text.", "logit_scale"),
    begins=begins,
)

OPEN_CLIP = dataclasses.replace(
    OPENAI_CLIP,
    name="open_clip",
    title="CLIP of open_clip",
    signs=(OPENAI_CLIP.signs[0], r"(?:text\.)?transformer\.resblocks\.0\.attn\.in_proj_weight"),
    rules=openai_rules(text=r"(?:text\.)?"),
    derive=_derive_none,
)

HUGGING_FACE_CLIP = dataclasses.replace(
    OPENAI_CLIP,
    name="hf_clip",
    title="CLIP of Hugging Face",
    signs=(r"vision_model\.pre_layrnorm\.weight", r"text_model\.final_layer_norm\.weight"),
    rules=huggingface_rules(),
    known=tuple(
        (name, f"openai/{name}", "pytorch_model.bin")
        for name in ("clip-vit-base-patch16", "clip-vit-base-patch32", "clip-vit-large-patch14")
    ),
)
"""Without --config the activation is that of OpenAI's."""
