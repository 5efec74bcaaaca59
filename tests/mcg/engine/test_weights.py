"""Weights come back as they were saved, into the very model that they are of; tied ones are stored once."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from mcg.engine.checkpoint import CheckpointError
from mcg.engine.deepspeed import Engine
from mcg.engine.weights import load_weights
from tests.mcg.engine.small_engine import TIED, save
from tests.mcg.small_model import make_model, text_config, vision_config


def test_tied_weights_are_stored_once_and_tied_again(tmp_path: Path, engine: Engine) -> None:
    folder = save(tmp_path, engine, 1)
    stored = load_file(folder / "model.safetensors")
    assert len(set(TIED) & set(stored)) == 1
    model = make_model(seed=7)
    assert load_weights(model, folder) == []
    own = model.state_dict()
    for name, weight in engine.bundle.model.state_dict().items():
        assert torch.equal(own[name], weight), name
    assert own[TIED[0]].data_ptr() == own[TIED[1]].data_ptr()
    assert model.text.predictions.bias is model.text.predictions.decoder.bias


def test_weights_that_a_file_lacks_are_told(tmp_path: Path, engine: Engine) -> None:
    folder = save(tmp_path, engine, 1)
    assert load_weights(torch.nn.ModuleDict({"model": make_model()}).get_submodule("model"), folder) == []
    wider = make_model()
    wider.head = torch.nn.Linear(16, 3)
    assert load_weights(wider, folder) == ["head.bias", "head.weight"]


def test_another_models_weights_are_refused_with_both_shapes(tmp_path: Path, engine: Engine) -> None:
    folder = save(tmp_path, engine, 1)
    other = make_model(text=text_config(width=32), vision=vision_config(width=32))
    message = (
        r"model\.safetensors: weights of another model: \S+ is \(\d+.*\) there and \(\d+.*\) here "
        r"\(\d+ shapes and 0 names differ\); set model\.\* as in the checkpoint's config"
    )
    with pytest.raises(CheckpointError, match=message):
        load_weights(other, folder)
    with pytest.raises(
        CheckpointError, match=r"text\.bert\.encoder\.layer\.1\.\S+ is unknown here \(0 shapes and 16 names"
    ):
        load_weights(make_model(text=text_config(num_layers=1)), folder)


@pytest.mark.parametrize("damage", ["missing", "cut"])
def test_weights_that_cannot_be_read_are_named(tmp_path: Path, engine: Engine, damage: str) -> None:
    file = save(tmp_path, engine, 1) / "model.safetensors"
    if damage == "missing":
        file.unlink()
    else:
        file.write_bytes(file.read_bytes()[:1000])
    with pytest.raises(CheckpointError, match=r"model\.safetensors: not readable: "):
        load_weights(make_model(), file.parent)
