"""Small weights of CLIP in the forms in which they are published, and a conversion that has to succeed."""

from __future__ import annotations

import re
from typing import Any

import torch
from torch import Tensor
from transformers import CLIPConfig, CLIPModel

from mcg.convert.account import Conversion
from mcg.convert.convert import convert
from mcg.convert.families import FAMILIES
from mcg.model.t2vlp_config import T2vlpConfig
from tests.mcg.small_t2vlp import TEXTS, t2vlp_config

_NAMES = {
    r"vision_model\.embeddings\.patch_embedding\.": "visual.conv1.",
    r"vision_model\.embeddings\.position_embedding\.weight": "visual.positional_embedding",
    r"vision_model\.embeddings\.class_embedding": "visual.class_embedding",
    r"vision_model\.pre_layrnorm\.": "visual.ln_pre.",
    r"vision_model\.post_layernorm\.": "visual.ln_post.",
    r"vision_model\.encoder\.layers\.": "visual.transformer.resblocks.",
    r"text_model\.encoder\.layers\.": "transformer.resblocks.",
    r"text_model\.embeddings\.token_embedding\.": "token_embedding.",
    r"text_model\.embeddings\.position_embedding\.weight": "positional_embedding",
    r"text_model\.final_layer_norm\.": "ln_final.",
    r"\.self_attn\.out_proj\.": ".attn.out_proj.",
    r"\.layer_norm(\d)\.": r".ln_\1.",
    r"\.mlp\.fc1\.": ".mlp.c_fc.",
    r"\.mlp\.fc2\.": ".mlp.c_proj.",
}
"""What the conversion script of `transformers` makes of OpenAI's names, the other way round."""


CONFIG = t2vlp_config(
    vision={
        "width": 64, "num_heads": 1, "num_layers": 3, "image_size": 32, "patch_size": 16, "contrastive_width": 64
    },
    text={"width": 64, "num_heads": 1, "num_layers": 2, "max_positions": 20, "contrastive_width": 64},
    tubes={"num_centres": 3, "num_layers": 2},
    fusion={"width": 64, "num_heads": 1, "num_layers": 1, "max_positions": 24},
)  # fmt: skip
"""Of the towers of hugging_face_clip, with tubes and fusion."""
PLAIN = CONFIG.model_copy(update={"tubes": None, "fusion": None})


def hugging_face_clip() -> CLIPModel:
    common = {"hidden_size": 64, "intermediate_size": 256, "num_attention_heads": 1}
    torch.manual_seed(0)
    config = CLIPConfig(
        text_config={**common, "num_hidden_layers": 2, "vocab_size": TEXTS.size, "max_position_embeddings": 24},
        vision_config={**common, "num_hidden_layers": 3, "image_size": 32, "patch_size": 16},
        projection_dim=64,
    )
    model = CLIPModel(config).eval()
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    return model


def openai_clip(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """The same weights in OpenAI's form."""
    made = {}
    for key, tensor in state.items():
        if match := re.fullmatch(r"(.+)\.self_attn\.q_proj\.(weight|bias)", key):
            stem = f"{match[1]}.self_attn"
            tensor = torch.cat([state[f"{stem}.{name}_proj.{match[2]}"] for name in "qkv"])
            key = f"{match[1]}.attn.in_proj_{match[2]}"
        elif re.search(r"self_attn\.[kv]_proj", key):
            continue
        elif key in ("visual_projection.weight", "text_projection.weight"):
            key, tensor = {"v": "visual.proj", "t": "text_projection"}[key[0]], tensor.T
        for theirs, own in _NAMES.items():
            key = re.sub(theirs, own, key)
        made[key] = tensor
    return made


def clip_forms(state: dict[str, Tensor]) -> dict[str, dict[str, Tensor]]:
    """The same weights as each family has them."""
    openai = openai_clip(state)
    text = ("token_embedding", "positional_embedding", "transformer", "ln_final", "text_projection", "attn_mask")
    sizes = {name: torch.tensor(9) for name in ("input_resolution", "context_length", "vocab_size")}
    custom = {f"text.{key}" if key.startswith(text) else key: tensor for key, tensor in openai.items()}
    return {"openai_clip": openai | sizes, "open_clip": openai, "open_clip of two towers": custom, "hf_clip": state}


def converted_clip(
    state: dict[str, Tensor], kind: str, config: T2vlpConfig | None = CONFIG, **options: Any
) -> Conversion:
    conversion = convert(state, FAMILIES[kind], lambda model: model.build(TEXTS), config, **options)
    conversion.check("small")
    return conversion
