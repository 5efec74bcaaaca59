"""Reference values of the released MCG (shared/golden/README.md): our model with the weights of a case, its tensors.

The weights follow a rule instead of a file. Only what our model has is mapped; the rest of the release is unused there
(cross-attention of the encoder, a classifier, a second head of the decoder).
"""

from __future__ import annotations

import json
import os
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from mcg.model.bert import TextConfig
from mcg.model.mcg import MCG, MCGConfig
from mcg.model.timesformer import TimeSformerConfig

GOLDEN = Path(os.environ.get("GOLDEN") or Path(__file__).resolve().parents[3] / "shared" / "golden")
_RENAMED = (
    ("visual_encoder.model.", "vision."),
    ("text_encoder.cls.predictions.", "text.predictions."),
    ("text_encoder.", "text.bert."),
    ("text_decoder.", "decoder.bert."),
)
_UNUSED = ("crossattention", "position_ids", "visual_encoder.model.head", "text_decoder.bert.cls")


def released_case(name: str) -> tuple[MCG, dict[str, Any], dict[str, Tensor]]:
    """(model in evaluation mode, the case's facts, its tensors). Skips where the reference values are not at hand."""
    if not (GOLDEN / f"{name}.json").is_file():
        pytest.skip(f"no {GOLDEN / name}.json: the reference values lie beside the repository")
    facts = json.loads((GOLDEN / f"{name}.json").read_text())
    sizes = facts["config"]
    vision = TimeSformerConfig(
        image_size=sizes["img"],
        patch_size=sizes["patch"],
        num_frames=sizes["run_frames"],
        width=sizes["hidden"],
        depth=sizes["vdepth"],
        num_heads=sizes["heads"],
        drop_path=0.0,
    )
    text = TextConfig(
        width=sizes["hidden"],
        num_layers=sizes["layers"],
        num_heads=sizes["heads"],
        num_decoder_layers=sizes["layers"],
        max_positions=64,
        dropout=0.0,
    )
    model = MCG(MCGConfig(vision=vision, text=text), vocab_size=30524)
    given = {_rename(key): _draw(facts, key) for key in facts["state_dict"] if not _unused(key)}
    own = model.state_dict()
    lacking = sorted(key for key in set(own) - set(given) if not key.startswith("decoder."))
    assert lacking == ["text.bert.embeddings.token_type_embeddings.weight"], lacking  # the release has none
    given[lacking[0]] = torch.zeros_like(own[lacking[0]])
    given["temp"] = given["temp"].reshape(1)
    if "decoder.bert.bert.embeddings.word_embeddings.weight" in given:
        given["decoder.bert.bert.embeddings.token_type_embeddings.weight"] = torch.zeros_like(own[lacking[0]])
    model.load_state_dict(given, strict=False)
    assert not set(given) - set(own), sorted(set(given) - set(own))
    return model.eval(), facts, load_file(GOLDEN / f"{name}.safetensors")


def _unused(key: str) -> bool:
    return any(part in key for part in _UNUSED) and not ("crossattention" in key and key.startswith("text_decoder"))


def released_name(name: str) -> str:
    """The release's name of one of our parameters."""
    for old, new in _RENAMED:
        if name.startswith(new):
            return old + name.removeprefix(new)
    return name


def _rename(key: str) -> str:
    for old, new in _RENAMED:
        if key.startswith(old):
            return new + key.removeprefix(old)
    return key


def _draw(facts: dict[str, Any], key: str) -> Tensor:
    if key == "temp":
        return torch.tensor(0.07)
    shape = facts["state_dict"][key]
    first = next((names[0] for names in facts["tied"] if key in names), key)
    values = np.random.RandomState(zlib.crc32(first.encode())).standard_normal(shape).astype(np.float32)
    values = values * np.float32(facts["config"]["scale"])
    return torch.from_numpy(values + 1 if len(shape) == 1 and key.endswith(".weight") else values)
