"""Fused questions of a small model that knows the installed vocabulary, and ways of answering them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch

from mcg.answering import ANSWERINGS
from mcg.answering.answering import Answering
from mcg.model.mcg import MCG
from mcg.model.states import Fused
from mcg.tasks.config import OpenQAConfig
from tests.mcg.small_model import TEXTS, make_inputs, make_model

ANSWERS = ["red", "blue", "two", "playing guitar", "a man with a dog"]


def fused_questions() -> tuple[MCG, Fused]:
    """The model, which has a sixth class that no answer stands for, and three questions."""
    model, inputs = make_model(vocab_size=TEXTS.size, num_classes=6).eval(), make_inputs(3)
    with torch.no_grad():
        text = model.encode_text(inputs["text_ids"], inputs["text_mask"].bool())
        return model, model.fuse(text, model.encode_video(inputs["frames"]))


def answering(name: str, folder: Path | None = None, **fields: Any) -> Answering:
    """A way of answering, with a list of ANSWERS in the folder where one is given."""
    if folder is not None:
        (folder / "answers.json").write_text(json.dumps(ANSWERS))
        fields["answer_list"] = str(folder / "answers.json")
    settings = {"name": "open_qa", "clip": {"num_frames": 2, "size": 32}, "answering": name}
    return ANSWERINGS[name](OpenQAConfig.model_validate(settings | fields), TEXTS)
