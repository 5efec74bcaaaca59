"""LAVENDER as released weights become it: its sections, the sizes that may differ, the config that shapes tell.

Shapes do not tell the heads of BERT, which are taken as one for each 64 channels.
"""

from __future__ import annotations

import re
from typing import Any

from pydantic import ValidationError

from mcg.convert.families.swin import SWIN_RESIZES, compare_window, swin_sizes, swin_window
from mcg.convert.rules import ConvertError, Section, Shapes, Target
from mcg.model.lavender_config import LavenderConfig

TASK_HEADS = r"(?:match_head|classifiers)\..+"
_CHANNELS_OF_A_HEAD = 64


def derive(shapes: Shapes) -> LavenderConfig:
    """The config of the model that a checkpoint was made for. Raises ConvertError."""
    fields = {"name": "lavender", **_whole(shapes), "vision": _vision(shapes), "text": _text(shapes)}
    try:
        return LavenderConfig.model_validate(fields)
    except ValidationError as error:
        raise ConvertError(f"shapes that no model has: {error.errors()[0]['msg']}") from error


def derive_by_task(shapes: Shapes) -> LavenderConfig:
    """The same of a model with heads by task: the released `fc` is a score of matching if it has one output, else a
    classifier. Raises ConvertError."""
    classes = {
        match[1]: shape[0]
        for name, shape in shapes.items()
        if (match := re.fullmatch(r"classifiers\.(.+)\.3\.bias", name)) and shape[0] > 1
    }
    return derive(shapes).model_copy(update={"heads": "task", "num_classes": classes})


def _whole(shapes: Shapes) -> dict[str, int]:
    found = {}
    if len(patches := shapes.get("frames.patch_embed", ())) == 4:
        found["max_patches"] = patches[2] - 1
    if len(frames := shapes.get("frames.frame_embed", ())) == 4:
        found["max_frames"] = frames[1]
    return found


def _vision(shapes: Shapes) -> dict[str, Any]:
    sizes = swin_sizes(shapes)
    return {**sizes, "window": swin_window(shapes)} if sizes else {}


def _text(shapes: Shapes) -> dict[str, int]:
    if len(words := shapes.get("text.bert.embeddings.word_embeddings.weight", ())) != 2:
        return {}
    if words[1] % _CHANNELS_OF_A_HEAD:
        raise ConvertError(f"{words[1]} channels do not tell the number of heads; give --config")
    layers = [
        int(match[1]) for name in shapes if (match := re.fullmatch(r"text\.bert\.encoder\.layer\.(\d+)\..+", name))
    ]
    found = {"width": words[1], "num_layers": max(layers, default=-1) + 1, "num_heads": words[1] // _CHANNELS_OF_A_HEAD}
    if len(places := shapes.get("text.bert.embeddings.position_embeddings.weight", ())) == 2:
        found["max_positions"] = places[0]
    return found


def _compare(shapes: Shapes, config: LavenderConfig) -> None:
    """Raises ConvertError naming the first size of the checkpoint that is not the model's."""
    words = shapes.get("text.bert.embeddings.word_embeddings.weight", ())
    for section, found in (("vision", swin_sizes(shapes)), ("text", {"width": words[1]} if len(words) == 2 else {})):
        own = getattr(config, section)
        for field, value in found.items():
            if value != (expected := getattr(own, field)):
                raise ConvertError(
                    f"a checkpoint of {field.replace('num_', '')} {value}, and model.{section}.{field} is {expected}; "
                    f"set it to {value}, or take another checkpoint"
                )
    compare_window(shapes, config.vision)


LAVENDER_MODEL = Target(
    sign="task_embed.weight",
    sections=(
        Section(r"vision\..+", "vision", "no visual encoder"),
        Section(r"vision_proj\..+|frames\..+", "vision", "no frames in its sequence"),
        Section(r"text\.predictions\..+", "text", "no head for words"),
        Section(r"text\..+", "text", "no text encoder"),
        Section(r"task_embed\.weight", "heads", "no task tokens"),
        Section(r"match_head\..+", "heads", "no head for matching (model.heads: words)"),
        Section(r"classifiers\..+", "heads", "no classifier"),
    ),
    resizes=(
        *SWIN_RESIZES,
        (r"text\..+(?:word_embeddings\.weight|predictions\.decoder\.(?:weight|bias))", "vocabulary"),
        (r"text\..+\.position_embeddings\.weight", "text_positions"),
        (r"frames\.(frame|patch)_embed", "first_rows"),
    ),
    compare=_compare,
    of_their_task=TASK_HEADS,
)
