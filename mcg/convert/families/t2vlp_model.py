"""T2VLP as released weights become it: its sections, the sizes that may differ, the config that shapes tell.

Shapes do not tell the heads of CLIP's blocks, which are taken as one for each 64 channels.
"""

from __future__ import annotations

import math
import re
from typing import Any

from pydantic import ValidationError

from mcg.convert.rules import ConvertError, Section, Shapes, Target
from mcg.model.t2vlp_config import T2vlpConfig

_CHANNELS_OF_A_HEAD = 64
_LAYERS_OF_A_TOWER, _LAYERS_THAT_RUN = 12, 6
"""Of the fusion, which begins as a copy of CLIP's text tower."""


def derive(shapes: Shapes) -> T2vlpConfig:
    """The config of the model that a checkpoint was made for; without frames of its own, so the default number of them.
    Raises ConvertError."""
    sizes = _sizes(shapes)
    for part in ("vision", "text", "fusion"):
        if (width := sizes.get(part, {}).get("width")) is None:
            continue
        if width % _CHANNELS_OF_A_HEAD:
            raise ConvertError(f"{width} channels do not tell the number of heads; give --config")
        sizes[part]["num_heads"] = width // _CHANNELS_OF_A_HEAD
    if "tubes" in sizes and "vision" in sizes:
        sizes["vision"]["joint_from"] = max(0, sizes["vision"]["num_layers"] - 2)
    if "fusion" in sizes:
        sizes["fusion"]["num_layers"] = min(sizes["fusion"]["num_layers"], _LAYERS_THAT_RUN)
    fields: dict[str, Any] = {"name": "t2vlp", "tubes": None, "fusion": None, **sizes}
    try:
        return T2vlpConfig.model_validate(fields)
    except ValidationError as error:
        raise ConvertError(f"shapes that no model has: {error.errors()[0]['msg']}") from error


def begins(name: str, own: Shapes) -> str | None:
    """The weight of CLIP that one of fusion or tubes begins as a copy of, as in the release: fusion as the text tower,
    from its first block on, tubes as the last blocks of the visual tower."""
    if match := re.fullmatch(r"tubes\.blocks\.(\d+)\.(.+)", name):
        behind = _layers(own, "tubes.blocks") - int(match[1])
        return f"vision.blocks.{_layers(own, 'vision.blocks') - behind}.{match[2]}"
    if name == "fusion.positions":
        return f"text.{_PLACES}.weight"
    for part, tower in (("tubes.head.", "vision.head."), ("fusion.blocks.", "text.blocks.")):
        if name.startswith(part):
            return tower + name.removeprefix(part)
    return None


_PLACES = "embeddings.position_embedding"


def _sizes(shapes: Shapes) -> dict[str, dict[str, int]]:
    """What shapes tell of each part that is there."""
    found: dict[str, dict[str, int]] = {}
    kernel, places = (shapes.get(f"vision.{name}.weight", ()) for name in ("embeddings.patch_embedding", _PLACES))
    if len(kernel) == 4:
        found["vision"] = {"width": kernel[0], "patch_size": kernel[2], **_of_tower(shapes, "vision")}
        if len(places) == 2:
            found["vision"]["image_size"] = math.isqrt(max(0, places[0] - 1)) * kernel[2]
    if len(places := shapes.get(f"text.{_PLACES}.weight", ())) == 2:
        found["text"] = {"width": places[1], **_of_tower(shapes, "text"), "max_positions": places[0]}
    if len(centres := shapes.get("tubes.centres", ())) == 4:
        found["tubes"] = {"num_centres": centres[2], "num_layers": _layers(shapes, "tubes.blocks")}
    if len(places := shapes.get("fusion.positions", ())) == 2:
        found["fusion"] = {
            "width": places[1],
            "num_layers": _layers(shapes, "fusion.blocks"),
            "max_positions": places[0],
        }
    return found


def _of_tower(shapes: Shapes, tower: str) -> dict[str, int]:
    found = {"num_layers": _layers(shapes, f"{tower}.blocks")}
    if len(projection := shapes.get(f"{tower}.head.proj.weight", ())) == 2:
        found["contrastive_width"] = projection[0]
    return found


def _layers(shapes: Shapes, prefix: str) -> int:
    numbers = (re.match(rf"{re.escape(prefix)}\.(\d+)\.", name) for name in shapes)
    return max((int(match[1]) for match in numbers if match), default=-1) + 1


_MAY_DIFFER = ("image_size", "max_positions")
"""Sizes that have a rule of resizing."""


def _compare(shapes: Shapes, config: T2vlpConfig) -> None:
    """Raises ConvertError naming the first size of the checkpoint that is not the model's."""
    sizes = _sizes(shapes)
    if "vision" in sizes and "tubes" not in sizes and config.tubes is not None and not config.tower_gradient:
        raise ConvertError(
            "a checkpoint without tubes, and model.tower_gradient is false: tubes that nothing has trained would meet "
            "towers that are not trained. Begin with a checkpoint of the first stage, or set model.tubes to null"
        )
    for section, found in sizes.items():
        own = getattr(config, section)
        for field, value in found.items():
            if own is None or field in _MAY_DIFFER or (section, field) == ("fusion", "num_layers"):
                continue  # of the released fusion's blocks the first ones run
            if value != (expected := getattr(own, field)):
                raise ConvertError(
                    f"a checkpoint of {field.replace('num_', '').replace('_', ' ')} {value}, and model.{section}."
                    f"{field} is {expected}; set it to {value}, or take another checkpoint"
                )


T2VLP_MODEL = Target(
    sign="vision.head.proj.weight",
    sections=(
        Section(r"vision\..+|logit_scale", "vision", "no visual tower"),
        Section(r"tubes\..+", "vision", "no tubes (model.tubes: null)"),
        Section(r"text\..+", "text", "no text tower"),
        *(
            Section(
                rf"fusion\.blocks\.{number}\..+", "text", f"no block {number} in its fusion: the release never runs it"
            )
            for number in range(1, _LAYERS_OF_A_TOWER)
        ),
        Section(r"fusion\..+|words\..+|match\..+", "text", "no fusion (model.fusion: null)"),
    ),
    resizes=(
        ("logit_scale", "vector"),
        (r"vision\.embeddings\.position_embedding\.weight", "patches"),
        (rf"text\.{re.escape(_PLACES)}\.weight|fusion\.positions", "text_positions"),
    ),
    compare=_compare,
)
