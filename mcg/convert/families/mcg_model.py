"""The MCG model as released weights become it: its sections, the sizes that may differ, the config that shapes tell.

Names and shapes tell widths, depths, patches, frames, heads for matching and classification. They do not tell the
number of attention heads, which is taken as one for each 64 channels, as in everything base and large.
"""

from __future__ import annotations

import math
import re
from typing import Any, Literal

from pydantic import ValidationError

from mcg.convert.rules import ConvertError, Section, Shapes, Target
from mcg.model.mcg_config import MCGConfig

_CHANNELS_OF_A_HEAD = 64


def derive(
    shapes: Shapes,
    token_head: Literal["untied", "tied"] | None = None,
    headless: Literal["none"] | None = None,
    split_layers: bool = False,
) -> MCGConfig:
    """The config of the model that a checkpoint was made for. Raises ConvertError.

    token_head: of its model, where it has a head for masked words; headless: where it has none, None leaving the
    default. split_layers: the second half of the text layers is for fusion alone.
    """
    vision, text = _vision(shapes), _text(shapes)
    width = vision.get("width", text.get("width"))
    if width is None:
        raise ConvertError("neither a visual encoder nor a text encoder in it")
    if width % _CHANNELS_OF_A_HEAD:
        raise ConvertError(f"{width} channels do not tell the number of heads; give --config")
    num_heads = width // _CHANNELS_OF_A_HEAD
    head = token_head if "text.predictions.transform.dense.weight" in shapes else headless
    if head is not None:
        text["token_head"] = head
    if split_layers:
        text["num_fusion_layers"] = text["num_layers"] // 2
    fields: dict[str, Any] = {
        "vision": {"width": width, "num_heads": num_heads, **vision},
        "text": {"width": width, "num_heads": num_heads, **text},
        "matching_head": "itm_head.weight" in shapes,
    }
    for name, field, axis in (
        ("text_proj.weight", "contrastive_width", 0),
        ("entity_head.2.weight", "num_entities", 0),
        ("classifier.2.weight", "num_classes", 0),
    ):
        if name in shapes:
            fields[field] = shapes[name][axis]
    try:
        return MCGConfig.model_validate(fields)
    except ValidationError as error:
        raise ConvertError(f"shapes that no model has: {error.errors()[0]['msg']}") from error


_MAY_DIFFER = ("image_size", "num_frames", "max_positions")
"""Sizes that have a rule of resizing."""


def _compare(shapes: Shapes, config: MCGConfig) -> None:
    """Raises ConvertError naming the first size of the checkpoint that is not the model's, before any single weight."""
    for section, found in (("vision", _vision(shapes)), ("text", _text(shapes))):
        own = getattr(config, section)
        for field, value in found.items():
            expected = getattr(own, field)
            if field in _MAY_DIFFER or value == expected or (field == "num_decoder_layers" and 0 in (value, expected)):
                continue
            what = field.replace("num_", "").replace("_", " ")
            raise ConvertError(
                f"a checkpoint of {what} {value}, and model.{section}.{field} is {expected}; set it to {value}, or "
                "take another checkpoint"
            )


def _vision(shapes: Shapes) -> dict[str, int]:
    found: dict[str, int] = {}
    if "vision.cls_token" in shapes:
        found["width"] = shapes["vision.cls_token"][-1]
        found["depth"] = _layers(shapes, r"vision\.blocks\.(\d+)\..+")
    if len(patch := shapes.get("vision.patch_embed.proj.weight", ())) == 4:
        found["patch_size"] = patch[-1]
        if len(places := shapes.get("vision.pos_embed", ())) == 3:
            found["image_size"] = math.isqrt(max(0, places[1] - 1)) * patch[-1]
    if len(times := shapes.get("vision.time_embed", ())) == 3:
        found["num_frames"] = times[1]
    return found


def _text(shapes: Shapes) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if len(words := shapes.get("text.bert.embeddings.word_embeddings.weight", ())) == 2:
        found["width"] = words[1]
        found["num_layers"] = _layers(shapes, r"text\.bert\.encoder\.layer\.(\d+)\..+")
        found["num_decoder_layers"] = _layers(shapes, r"decoder\.bert\.bert\.encoder\.layer\.(\d+)\..+")
    if len(places := shapes.get("text.bert.embeddings.position_embeddings.weight", ())) == 2:
        found["max_positions"] = places[0]
    return found


def _layers(shapes: Shapes, pattern: str) -> int:
    numbers = [int(match[1]) for name in shapes if (match := re.fullmatch(pattern, name))]
    return max(numbers) + 1 if numbers else 0


MCG_MODEL = Target(
    sign="vision.cls_token",
    sections=(
        Section(r"vision\..+", "vision", "no visual encoder"),
        Section(r"vision_proj\..+", "vision", "no projection of videos"),
        Section(r"text\.predictions\..+", "text", "no head for masked words (model.text.token_head)"),
        Section(
            r"text\.bert\.encoder\.layer\.\d+\.crossattention\..+",
            "text",
            "no cross-attention in its fusion (model.text.fusion)",
        ),
        Section(r"text\..+", "text", "no text encoder"),
        Section(r"text_proj\..+", "text", "no projection of texts"),
        Section(r"decoder\..+", "decoder", "no decoder (model.text.num_decoder_layers)"),
        Section(r"itm_head\..+", "heads", "no head for matching (model.matching_head)"),
        Section(r"entity_head\..+", "heads", "no head for entities (model.num_entities)"),
        Section(r"classifier\..+", "heads", "no classifier (model.num_classes)"),
        Section(r"temp", "heads", "no temperature"),
    ),
    resizes=(
        (r"temp", "vector"),
        (r".*(?:word_embeddings\.weight|predictions\.decoder\.(?:weight|bias)|predictions\.bias)", "vocabulary"),
        (r".+\.token_type_embeddings\.weight", "token_types"),
        (r".+\.position_embeddings\.weight", "text_positions"),
        (r"vision\.time_embed", "frames"),
        (r"vision\.pos_embed", "patches"),
    ),
    compare=_compare,
)
