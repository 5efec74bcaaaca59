"""`init_from`: the weights of another run as the start of this one, whose model may have other parts and sizes.

A part that this model lacks is left out, a part that the other lacks stays as it was drawn, and the few sizes that may
differ are fitted (resize.py): pre-training with 4 frames and a head for masked words starts a model for questions with
16 frames and a decoder. Every other difference is refused. To go on with a run, to score it and to answer with it,
`load_weights` asks for the very same model.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

from torch import nn

from mcg.convert.account import Conversion
from mcg.convert.convert import convert
from mcg.convert.families import TARGETS
from mcg.convert.rules import ConvertError, Family, Rule
from mcg.engine.checkpoint import Checkpoint
from mcg.engine.weights import read_weights
from mcg.text.texts import Texts


def start_from(model: nn.Module, config: Any, checkpoint: Checkpoint, texts: Texts) -> str:
    """Put the weights of a checkpoint into the model of a config; returns a line about them.

    Raises CheckpointError, ConvertError.
    """
    state = read_weights(checkpoint.folder, texts)
    try:
        conversion = convert(state, _ours(config), lambda _: model, config)
    except ConvertError as error:
        raise ConvertError(f"{checkpoint.folder}: weights of another model: {error}") from error
    unknown = [entry.key for entry in conversion.entries if entry.status == "unexpected"]
    if unknown:
        raise ConvertError(
            f"{checkpoint.folder}: weights of another model: {unknown[0]} is unknown here ({len(unknown)} such names); "
            "set model.* as in the checkpoint's config"
        )
    model.load_state_dict(conversion.state, strict=False)
    return ", ".join([f"the weights of {checkpoint.folder}", *_differences(conversion)])


def _ours(config: Any) -> Family:
    """The family of this project's own checkpoints, whose names need no rule."""
    return Family(
        name="ours",
        title="a run of ours",
        signs=(),
        rules=(Rule(r"(.+)", (r"\1",)),),
        target=TARGETS[config.name],
        derive=lambda shapes: config,
        needs=(),
    )


def _differences(conversion: Conversion) -> list[str]:
    """The differences to the checkpoint, in words."""
    entries = conversion.entries
    left_out = Counter(entry.note for entry in entries if entry.status == "dropped" and not entry.ours)
    fresh = [entry.key for entry in entries if entry.status == "missing"]
    return [
        *(f"{count} left out ({reason})" for reason, count in left_out.items()),
        *(f"{entry.key} fitted ({entry.note})" for entry in entries if entry.status == "used" and entry.note),
        *([f"{len(fresh)} fresh (e.g. {fresh[0]})"] if fresh else []),
    ]
