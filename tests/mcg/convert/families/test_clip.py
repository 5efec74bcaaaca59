"""CLIP's weights in OpenAI's form and in that of Hugging Face become the same towers."""

from __future__ import annotations

import re

import pytest
import torch
from torch import Tensor
from transformers import CLIPConfig, CLIPModel

from mcg.convert.families.clip import huggingface_rules, openai_rules
from mcg.convert.rules import Rule

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


def hugging_face_clip() -> dict[str, Tensor]:
    common = {"hidden_size": 16, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
    torch.manual_seed(0)
    config = CLIPConfig(
        text_config={**common, "vocab_size": 20, "max_position_embeddings": 7},
        vision_config={**common, "image_size": 16, "patch_size": 8},
        projection_dim=12,
    )
    state = CLIPModel(config).state_dict()
    return {key: torch.randn_like(tensor) for key, tensor in state.items() if tensor.is_floating_point()}


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


def _named(state: dict[str, Tensor], rules: tuple[Rule, ...]) -> dict[str, Tensor]:
    made: dict[str, Tensor] = {}
    for key, tensor in state.items():
        rule = next(rule for rule in rules if rule.apply(key) is not None)
        made.update(rule.weights(key, tensor))
    return made


@pytest.mark.parametrize("prefix", ["", "clip."])
def test_both_forms_become_the_same_weights(prefix: str) -> None:
    state = hugging_face_clip()
    ours = _named(state, huggingface_rules())
    given = {f"{prefix}{key}": tensor for key, tensor in openai_clip(state).items()}
    assert len(given) == len(state) - 2 * 2 * 2 * 2  # keys and values of 2 towers, 2 blocks, weights and biases
    same = _named(given, openai_rules(re.escape(prefix)))
    assert same.keys() == ours.keys() and len(ours) == len(state)
    assert all(torch.equal(same[name], tensor) for name, tensor in ours.items())


@pytest.mark.parametrize("key", ["input_resolution", "context_length", "vocab_size", "attn_mask"])
def test_what_is_no_weight_is_dropped(key: str) -> None:
    rule = next(rule for rule in openai_rules() if rule.apply(key) is not None)
    assert rule.weights(key, torch.zeros(())) == {} and "not a weight" in rule.reason
