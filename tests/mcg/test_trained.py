"""The model of a checkpoint: whole, or refused with the weight that is not there."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from mcg.engine.checkpoint import CheckpointError, find_checkpoint
from mcg.trained import trained_model
from tests.mcg.small_checkpoint import change, run_config, write_checkpoint
from tests.mcg.small_model import TEXTS


def test_it_has_the_weights_of_the_checkpoint(tmp_path: Path) -> None:
    config = run_config(tmp_path / "run")
    checkpoint = find_checkpoint(write_checkpoint(config))
    model = trained_model(checkpoint, config.task.build(TEXTS), config.model)
    own = model.state_dict()
    stored = load_file(checkpoint.folder / "model.safetensors")
    assert all(torch.equal(own[name], weight) for name, weight in stored.items())


def test_a_checkpoint_that_lacks_a_weight_is_refused(tmp_path: Path) -> None:
    config = run_config(tmp_path / "run")
    checkpoint = find_checkpoint(write_checkpoint(config))
    stored = load_file(checkpoint.folder / "model.safetensors")
    del stored["temp"]
    change(checkpoint.folder, stored)
    with pytest.raises(CheckpointError, match=r"step-000001: lacks 1 weights of this model, e\.g\. temp"):
        trained_model(checkpoint, config.task.build(TEXTS), config.model)
