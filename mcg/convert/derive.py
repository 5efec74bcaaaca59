"""The model that a checkpoint was made for, as its names and shapes tell it.

Told: widths, depths, patches, frames, heads for matching and classification. Not told: the number of attention heads,
taken as one for each 64 channels, which holds for everything base and large.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from mcg.convert.rules import ConvertError, Family
from mcg.model.config import MCGConfig

Shapes = Mapping[str, tuple[int, ...]]
_CHANNELS_OF_A_HEAD = 64


def derive_config(family: Family, shapes: Shapes) -> MCGConfig:
    """shapes: our names and the shapes they had in the checkpoint. Raises ConvertError."""
    vision, text = _vision(shapes), _text(shapes)
    width = vision.get("width", text.get("width"))
    if width is None:
        raise ConvertError(f"{family.title}: neither a visual encoder nor a text encoder in it")
    if width % _CHANNELS_OF_A_HEAD:
        raise ConvertError(f"{family.title}: {width} channels do not tell the number of heads; give --config")
    num_heads = width // _CHANNELS_OF_A_HEAD
    if "text.predictions.transform.dense.weight" in shapes:
        text["token_head"] = family.token_head
    elif "text.bert." in family.needs and "text.predictions." not in family.needs:
        text["token_head"] = "none"
    if family.split_layers:
        text["num_fusion_layers"] = text["num_layers"] // 2
    fields: dict[str, Any] = {
        "vision": {"width": width, "num_heads": num_heads, **vision},
        "text": {"width": width, "num_heads": num_heads, **text},
        "matching_head": "itm_head.weight" in shapes,
    }
    for name, field, axis in (("text_proj.weight", "contrastive_width", 0), ("classifier.2.weight", "num_classes", 0)):
        if name in shapes:
            fields[field] = shapes[name][axis]
    try:
        return MCGConfig.model_validate(fields)
    except ValidationError as error:
        raise ConvertError(f"{family.title}: shapes that no model has: {error.errors()[0]['msg']}") from error


def compare_sizes(shapes: Shapes, config: MCGConfig) -> None:
    """Raises ConvertError naming the first size of the checkpoint that is not the model's, before any single weight."""
    for section, found in (("vision", _vision(shapes)), ("text", _text(shapes))):
        own = getattr(config, section)
        for field, value in found.items():
            expected = getattr(own, field)
            if field in _RESIZED or value == expected or (field == "num_decoder_layers" and 0 in (value, expected)):
                continue
            what = field.replace("num_", "").replace("_", " ")
            raise ConvertError(
                f"a checkpoint of {what} {value}, and model.{section}.{field} is {expected}; set it to {value}, or "
                "take another checkpoint"
            )


_RESIZED = ("image_size", "num_frames", "max_positions")
"""Sizes that may differ: resize.py has rules for them."""


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
