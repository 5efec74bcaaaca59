"""Weights of Swin, over pictures or clips: what the releases call them, and what their shapes tell.

Their `layers.i.blocks.j` are our `features.2i.j`, the merging of patches behind a stage is `features.2i+1`
(docs/facts/lavender.md 1). A kernel without time is one of pictures. The tables of biases tell heads and window.
"""

from __future__ import annotations

import re
from typing import Any

from mcg.convert.rules import ConvertError, Resize, Rule, Shapes
from mcg.convert.window_table import Window, num_offsets, side_of, window_of
from mcg.model.parts.configs import VideoSwinConfig

_KERNEL = "vision.patch_embed.proj.weight"
_TABLE = r"vision\.features\.(\d+)\.(\d+)\.attn\.relative_position_bias_table"
_STAGES = range(4)

SWIN_RESIZES: tuple[tuple[str, Resize], ...] = ((re.escape(_KERNEL), "kernel"), (_TABLE, "offsets"))
"""Weights of a model with a Video Swin that may have another size, as Target.resizes."""


def swin_rules(prefix: str, merges_first: bool = False) -> tuple[Rule, ...]:
    """Rules for a Swin whose keys begin with a regular expression. merges_first: the merging of patches counts to the
    stage after it, as in timm."""
    behind = -1 if merges_first else 1
    return (
        Rule(rf"{prefix}.+\.(?:relative_position_index|attn_mask)", reason="made from the window: not a weight"),
        Rule(rf"{prefix}((?:patch_embed|norm)\..+)", (r"vision.\1",)),
        *(
            rule
            for stage in _STAGES
            for rule in (
                *(
                    Rule(
                        rf"{prefix}layers\.{stage}\.blocks\.(\d+)\.mlp\.{theirs}\.(.+)",
                        (rf"vision.features.{2 * stage}.\1.mlp.{ours}.\2",),
                    )
                    for theirs, ours in (("fc1", 0), ("fc2", 3))
                ),
                Rule(rf"{prefix}layers\.{stage}\.blocks\.(.+)", (rf"vision.features.{2 * stage}.\1",)),
                Rule(rf"{prefix}layers\.{stage}\.downsample\.(.+)", (rf"vision.features.{2 * stage + behind}.\1",)),
            )
        ),
    )


def swin_sizes(shapes: Shapes) -> dict[str, Any]:
    """Settings of VideoSwinConfig but for the window that shapes tell; none where there is no Swin."""
    if len(kernel := shapes.get(_KERNEL, ())) < 4:
        return {}
    found: dict[str, Any] = {"width": kernel[0], "depths": (), "num_heads": ()}
    tables = _tables(shapes)
    for stage in sorted({stage for stage, _ in tables}):
        found["depths"] += (max(block for own, block in tables if own == stage) + 1,)
        found["num_heads"] += (tables[stage, 0][1] if (stage, 0) in tables else 0,)
    return found


def swin_window(shapes: Shapes) -> Window:
    """The window of a Swin; one of pictures gets 8 frames. Raises ConvertError where shapes do not tell it."""
    default = VideoSwinConfig().window
    found = {rows for rows, _ in _tables(shapes).values()}
    if len(found) != 1:
        raise ConvertError(f"tables of offsets in attention of {len(found)} sizes, expected one; give --config")
    rows = found.pop()
    if len(shapes[_KERNEL]) == 5:
        window = default if rows == num_offsets(default) else window_of(rows)
    else:
        side = side_of(rows)
        window = (default[0], side, side) if side else None
    if window is None:
        raise ConvertError(f"{rows} offsets within a window do not tell the window; give --config")
    return window


def compare_window(shapes: Shapes, config: VideoSwinConfig) -> None:
    """Raises ConvertError where a checkpoint of clips has another window than the model: biases of offsets in time are
    not resized."""
    expected = num_offsets(config.window)
    for rows, _ in _tables(shapes).values():
        if len(shapes.get(_KERNEL, ())) == 5 and rows != expected:
            window = window_of(rows)
            remedy = f"set it to {window}" if window else "set it to the checkpoint's"
            raise ConvertError(
                f"a checkpoint with {rows} offsets within a window, and model.vision.window {config.window} has "
                f"{expected}; {remedy}"
            )


def _tables(shapes: Shapes) -> dict[tuple[int, int], tuple[int, int]]:
    """(stage, block) -> (offsets, heads) of the tables."""
    found = {}
    for name, shape in shapes.items():
        match = re.fullmatch(_TABLE, name)
        if match and len(shape) == 2:
            found[int(match[1]) // 2, int(match[2])] = shape
    return found
