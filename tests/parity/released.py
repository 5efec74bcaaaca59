"""Cases of reference values (tests/parity/golden/README.md), and our model with the weights of one.

The weights follow a rule instead of a file; they are drawn for every key of the released state dict and go through the
converter, strictly, as a released file would.
"""

from __future__ import annotations

import json
import os
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor

from mcg.convert.convert import convert
from mcg.convert.families import FAMILIES
from mcg.model.mcg import MCG
from mcg.model.mcg_config import MCGConfig

GOLDEN = Path(__file__).resolve().parent / "golden"
"""One small case of every kind."""
TOLERANCE = 1e-4
"""Largest difference of a tensor, as a share of its largest value."""


@dataclass(frozen=True)
class Case:
    """facts: its JSON; given: its tensors, inputs and outputs."""

    name: str
    facts: dict[str, Any]
    given: dict[str, Tensor]


def case_files() -> dict[str, Path]:
    """The JSON file of every case by name: those of GOLDEN, then those of the folder that $GOLDEN names."""
    folders = [GOLDEN, *([Path(more)] if (more := os.environ.get("GOLDEN")) else [])]
    files = {folder: sorted(folder.glob("*.json")) for folder in folders}
    empty = [str(folder) for folder, found in files.items() if not found]
    if empty:
        raise FileNotFoundError(f"no reference values (*.json) in {empty}; $GOLDEN names a folder of more cases")
    return {file.stem: file for found in files.values() for file in found}


def read_case(name: str) -> Case:
    file = case_files()[name]
    return Case(name, json.loads(file.read_text()), load_file(file.with_suffix(".safetensors")))


def released_state(case: Case) -> dict[str, Tensor]:
    """A released state dict with the weights of the rule, and of the edits after it."""
    facts = case.facts
    state = {key: _draw(facts, key) for key in facts["state_dict"]}
    for edited, place, added in facts.get("weight_edits", ()):
        for key in next((names for names in facts["tied"] if edited in names), [edited]):
            state[key][place] += added
    return state


def released_mcg(case: Case, compat: str = "corrected") -> MCG:
    """Our MCG with the weights of an mcg_* case, in evaluation mode."""
    decodes = any(key.startswith("text_decoder.") for key in case.facts["state_dict"])
    layers = {"num_decoder_layers": case.facts["config"]["layers"] if decodes else 0}
    return released_model(case, "mcg", layers, vocab_size=30524, compat=compat)


def released_model(case: Case, family: str, text: dict[str, Any], vocab_size: int, **fields: Any) -> MCG:
    """Our model of these settings with the weights of a case through the converter, in evaluation mode."""
    sizes, state = case.facts["config"], released_state(case)
    layers = {"num_layers": sizes["layers"], **text}
    common = {"width": sizes["hidden"], "num_heads": sizes["heads"]}
    frames = sizes.get("run_frames", sizes["frames"])
    vision = {"image_size": sizes["img"], "patch_size": sizes["patch"], "num_frames": frames}
    config = MCGConfig.model_validate(
        {
            "vision": common | vision | {"depth": sizes["vdepth"], "drop_path": 0.0},
            "text": common | layers | {"max_positions": 64, "dropout": 0.0},
            **fields,
        }
    )
    conversion = convert(state, FAMILIES[family], lambda model: MCG(model, vocab_size), config)
    conversion.check(case.name)
    model = MCG(config, vocab_size)
    lacking = model.load_state_dict(conversion.state, strict=False)
    assert not lacking.unexpected_keys
    # tied names are missing from the file, and nothing else
    names = dict(model.named_parameters(remove_duplicate=False))
    given = {id(names[name]) for name in conversion.state}
    assert not [name for name in lacking.missing_keys if id(names[name]) not in given]
    return model.eval()


def compare(name: str, found: Tensor, expected: Tensor) -> None:
    """max |found - expected| <= 1e-4 max |expected|; whole numbers are equal."""
    assert found.shape == expected.shape, (name, found.shape, expected.shape)
    if not expected.is_floating_point():
        assert torch.equal(found, expected), name
        return
    difference, largest = float((found.detach() - expected).abs().max()), float(expected.abs().max())
    assert difference <= TOLERANCE * largest, f"{name}: differs by {difference:.3g}, largest value {largest:.3g}"


def _draw(facts: dict[str, Any], key: str) -> Tensor:
    if key in ("temp", "prompter.temp"):
        return torch.tensor(facts["config"].get("temp", 0.07))
    if key == "clip.logit_scale":
        return torch.tensor(facts["config"]["logit_scale_parameter"])
    shape = facts["state_dict"][key]
    if key.endswith("relative_position_index"):
        return torch.zeros(shape, dtype=torch.int64)
    if key.endswith("position_ids"):
        return torch.arange(shape[1]).expand(shape)
    first = next((names[0] for names in facts["tied"] if key in names), key)
    values = np.random.RandomState(zlib.crc32(first.encode())).standard_normal(shape).astype(np.float32)
    values = values * np.float32(facts["config"]["scale"])
    return torch.from_numpy(values + 1 if len(shape) == 1 and key.endswith(".weight") else values)
