"""Weights of one run as the start of another: parts left out or fresh, sizes that are fitted, all else refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from mcg.config import RunConfig
from mcg.convert.rules import ConvertError
from mcg.convert.start import start_from
from mcg.engine.checkpoint import CheckpointError, find_checkpoint
from mcg.model.mcg import MCG
from tests.mcg.small_checkpoint import change, run_config, write_checkpoint
from tests.mcg.small_model import TEXTS


def _config(run: Path, frames: int = 2, text: dict[str, Any] | None = None, **fields: Any) -> RunConfig:
    """The model of run_config with other parts and sizes."""
    base = run_config(run)
    model = base.model.model_dump()
    model["vision"]["num_frames"] = frames
    model["text"] |= text or {}
    task = {"name": "open_qa", "clip": {"num_frames": frames, "size": 32}, "max_answer_tokens": 5}
    return run_config(run, task=task, model=model | fields, objectives={"contrastive": {}})


def _start(model: MCG, run: Path) -> str:
    return start_from(model, model.config, find_checkpoint(run), TEXTS)


def test_pre_training_starts_a_model_for_questions_with_more_frames(tmp_path: Path) -> None:
    there = _config(tmp_path / "pt", 2, {"num_decoder_layers": 0, "token_head": "untied"}, matching_head=True)
    run = write_checkpoint(there)
    model = MCG(_config(tmp_path / "ft", 4, {"num_decoder_layers": 1, "token_head": "none"}).model, TEXTS.size)
    drawn = {name: weight.clone() for name, weight in model.state_dict().items()}
    told = _start(model, run)
    assert told.startswith(f"the weights of {run / 'checkpoints' / 'step-000001'}, ")
    assert "6 left out (the model has no head for masked words (model.text.token_head))" in told
    assert "2 left out (the model has no head for matching (model.matching_head))" in told
    assert "vision.time_embed fitted (2 frames to 4, nearest)" in told
    assert "fresh (e.g. decoder." in told
    given, own = MCG(there.model, TEXTS.size), model.state_dict()
    assert _start(given, run) == f"the weights of {run / 'checkpoints' / 'step-000001'}"
    for name, weight in given.state_dict().items():
        if name == "vision.time_embed":
            assert torch.equal(own[name], weight.repeat_interleave(2, 1))
        elif name in own:
            assert torch.equal(own[name], weight), name
    for name in drawn:
        if name.startswith("decoder."):
            assert torch.equal(own[name], drawn[name]), name


def test_a_tied_head_is_one_weight_again(tmp_path: Path) -> None:
    config = _config(tmp_path / "run", text={"token_head": "tied"})
    model = MCG(config.model, TEXTS.size)
    assert "fresh" not in _start(model, write_checkpoint(config))
    assert model.text.predictions.decoder.weight is model.text.bert.embeddings.word_embeddings.weight


@pytest.mark.parametrize(
    ("text", "fields", "message"),
    [
        ({"num_layers": 2}, {}, r"step-000001: weights of another model: a checkpoint of layers 1, and model\.text"),
        ({}, {"contrastive_width": 4}, r"weights of another model: text_proj\.bias: \(8,\) there, \(4,\) here"),
        ({"max_positions": 64}, {}, r"32 positions there, model\.text\.max_positions is 64"),
    ],
)
def test_another_model_is_refused(tmp_path: Path, text: dict[str, Any], fields: dict[str, Any], message: str) -> None:
    run = write_checkpoint(_config(tmp_path / "there"))
    model = MCG(_config(tmp_path / "here", text=text, **fields).model, TEXTS.size)
    with pytest.raises(ConvertError, match=message):
        _start(model, run)


def test_an_unknown_name_is_refused(tmp_path: Path) -> None:
    run = write_checkpoint(_config(tmp_path / "there"))
    folder = find_checkpoint(run).folder
    model = MCG(_config(tmp_path / "here").model, TEXTS.size)
    state = load_file(folder / "model.safetensors")
    change(folder, {**state, "vision.extra": torch.zeros(1)})
    with pytest.raises(ConvertError, match=r"vision\.extra is unknown here \(1 such names\); set model\.\* as in"):
        _start(model, run)


def test_another_vocabulary_is_refused(tmp_path: Path) -> None:
    run = write_checkpoint(_config(tmp_path / "there"), vocabulary="abc")
    with pytest.raises(CheckpointError, match=r"another vocabulary \(fingerprint abc\)"):
        _start(MCG(_config(tmp_path / "here").model, TEXTS.size), run)
