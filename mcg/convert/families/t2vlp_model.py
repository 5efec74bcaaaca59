"""T2VLP as released weights become it: its sections, the sizes that may differ, the config that shapes tell.

Shapes do not tell the heads of CLIP's blocks, which are taken as one for each 64 channels.
"""

from __future__ import annotations

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
    fields = {"name": "t2vlp", **_sizes(shapes)}
    try:
        return T2vlpConfig.model_validate(fields)
    except ValidationError as error:
        raise ConvertError(f"shapes that no model has: {error.errors()[0]['msg']}") from error


def _sizes(shapes: Shapes) -> dict[str, Any]:
    found: dict[str, Any] = {"tubes": None, "fusion": None}
    kernel = shapes.get("vision.embeddings.patch_embedding.weight", ())
    places = shapes.get("vision.embeddings.position_embedding.weight", ())
    projection = shapes.get("vision.head.proj.weight", ())
    if len(kernel) == 4 and len(places) == 2 and len(projection) == 2:
        side = round((places[0] - 1) ** 0.5)
        found["vision"] = {
            **_blocks(shapes, "vision.blocks", kernel[0]),
            "patch_size": kernel[2],
            "image_size": side * kernel[2],
            "contrastive_width": projection[0],
        }
    words, projection = (shapes.get(f"text.{name}.weight", ()) for name in (_PLACES, "head.proj"))
    if len(words) == 2 and len(projection) == 2:
        sizes = {"max_positions": words[0], "contrastive_width": projection[0]}
        found["text"] = {**_blocks(shapes, "text.blocks", words[1]), **sizes}
    if len(centres := shapes.get("tubes.centres", ())) == 4:
        num_layers = _blocks(shapes, "tubes.blocks", centres[3])["num_layers"]
        found["tubes"] = {"num_centres": centres[2], "num_layers": num_layers}
        found.setdefault("vision", {}).setdefault("joint_from", max(0, found["vision"].get("num_layers", 12) - 2))
    if len(places := shapes.get("fusion.positions", ())) == 2:
        sizes = _blocks(shapes, "fusion.blocks", places[1])
        num_layers = min(sizes["num_layers"], _LAYERS_THAT_RUN)
        found["fusion"] = {**sizes, "num_layers": num_layers, "max_positions": places[0]}
    return found


_PLACES = "embeddings.position_embedding"


def _blocks(shapes: Shapes, prefix: str, width: int) -> dict[str, int]:
    """Sizes of a stack of blocks. Raises ConvertError where the heads cannot be told."""
    if width % _CHANNELS_OF_A_HEAD:
        raise ConvertError(f"{width} channels do not tell the number of heads; give --config")
    numbers = [int(match[1]) for name in shapes if (match := re.fullmatch(rf"{re.escape(prefix)}\.(\d+)\..+", name))]
    return {"width": width, "num_layers": max(numbers, default=-1) + 1, "num_heads": width // _CHANNELS_OF_A_HEAD}


def _compare(shapes: Shapes, config: T2vlpConfig) -> None:
    """Raises ConvertError naming the first size of the checkpoint that is not the model's."""
    kernel = shapes.get("vision.embeddings.patch_embedding.weight", ())
    places = shapes.get(f"text.{_PLACES}.weight", ())
    found = {
        **({"vision.width": kernel[0], "vision.patch_size": kernel[2]} if len(kernel) == 4 else {}),
        **({"text.width": places[1]} if len(places) == 2 else {}),
    }
    for path, value in found.items():
        section, field = path.split(".")
        words = field.replace("_", " ")
        if value != (expected := getattr(getattr(config, section), field)):
            raise ConvertError(
                f"a checkpoint of {words} {value}, and model.{path} is {expected}; set it to {value}, "
                "or take another checkpoint"
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
        (r"vision\.embeddings\.position_embedding\.weight", "patches"),
        (rf"text\.{re.escape(_PLACES)}\.weight|fusion\.positions", "text_positions"),
    ),
    compare=_compare,
)
