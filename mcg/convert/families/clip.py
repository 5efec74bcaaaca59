r"""Weights of CLIP: what OpenAI's files and open_clip's call them, and what Hugging Face's do (docs/facts/t2vlp.md 1).

OpenAI keeps query, key and value in one matrix, one after the other, and the projections with a row for each input,
where a linear layer has one for each output. T2VLP's names are OpenAI's with a prefix. Prefixes are regular
expressions without groups.
"""

from __future__ import annotations

from mcg.convert.rules import POSITION_IDS, Rule

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


def openai_rules(prefix: str = "") -> tuple[Rule, ...]:
    """Rules for both towers and the scale of logits, as OpenAI names them."""
    visual = rf"{prefix}visual\."
    return (
        Rule(rf"{visual}class_embedding", ("vision.embeddings.class_embedding",)),
        Rule(rf"{visual}conv1\.weight", ("vision.embeddings.patch_embedding.weight",)),
        Rule(rf"{visual}positional_embedding", ("vision.embeddings.position_embedding.weight",)),
        Rule(rf"{visual}ln_pre\.(.+)", (r"vision.norm_pre.\1",)),
        *openai_blocks(visual, "vision.blocks"),
        *openai_head(visual, "ln_post", "proj", "vision.head"),
        Rule(rf"{prefix}token_embedding\.weight", ("text.embeddings.token_embedding.weight",)),
        Rule(rf"{prefix}positional_embedding", ("text.embeddings.position_embedding.weight",)),
        *openai_blocks(prefix, "text.blocks"),
        *openai_head(prefix, "ln_final", "text_projection", "text.head"),
        Rule(rf"{prefix}logit_scale", ("logit_scale",)),
        Rule(rf"{prefix}(?:input_resolution|context_length|vocab_size)", reason="a size: not a weight"),
        Rule(rf"{prefix}attn_mask", reason="made from the context length: not a weight"),
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
