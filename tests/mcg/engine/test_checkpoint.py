"""Checkpoints: whole or absent, of the right model, tied weights once; what is wrong is named."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from mcg.engine.checkpoint import (
    CheckpointError,
    find_checkpoint,
    latest_checkpoint,
    load_weights,
    save_checkpoint,
)
from mcg.engine.deepspeed import Engine
from tests.mcg.engine.small_engine import make_batch, make_engine
from tests.mcg.small_model import make_model, text_config, vision_config

CURSOR = {"q": [3, 1], "positions": [24, 8], "seed": 0}
TIED = ("decoder.bert.bert.embeddings.word_embeddings.weight", "decoder.bert.cls.predictions.decoder.weight")


@pytest.fixture(scope="module")
def engine(device: torch.device) -> Iterator[Engine]:
    made = make_engine(device)
    made.train_step([make_batch()])
    yield made
    made.close()


def _save(run: Path, engine: Engine, step: int, keep: int = 2) -> Path:
    engine.step = step
    return save_checkpoint(run, engine, CURSOR, {"run_dir": "r"}, keep)


def _names(run: Path) -> set[str]:
    return {path.name for path in (run / "checkpoints").iterdir()}


def test_a_checkpoint_is_found_by_its_folder_and_by_its_run(tmp_path: Path, engine: Engine) -> None:
    folder = _save(tmp_path, engine, 5)
    assert folder == tmp_path / "checkpoints" / "step-000005"
    for path in (folder, tmp_path):
        found = find_checkpoint(path)
        assert (found.folder, found.step, found.cursor, found.config) == (folder, 5, CURSOR, {"run_dir": "r"})
    assert {"model.safetensors", "checkpoint.json", "state"} <= {path.name for path in folder.iterdir()}


def test_a_run_without_checkpoints_has_none(tmp_path: Path) -> None:
    assert latest_checkpoint(tmp_path) is None
    with pytest.raises(
        CheckpointError, match=r"no checkpoint there; expected a folder with checkpoint\.json, or a run"
    ):
        find_checkpoint(tmp_path / "nowhere")


def test_only_the_newest_are_kept(tmp_path: Path, engine: Engine) -> None:
    for step in (1, 2, 3):
        _save(tmp_path, engine, step)
    assert _names(tmp_path) == {"step-000002", "step-000003", "latest"}


def test_newest_means_by_number_beyond_a_million_steps(tmp_path: Path, engine: Engine) -> None:
    for step in (999_998, 999_999, 1_000_000, 1_000_001):
        _save(tmp_path, engine, step)
    assert _names(tmp_path) == {"step-1000000", "step-1000001", "latest"}


def test_a_run_that_went_back_keeps_what_it_saves(tmp_path: Path, engine: Engine) -> None:
    _save(tmp_path, engine, 100)
    _save(tmp_path, engine, 200)
    (tmp_path / "checkpoints" / "latest").write_text("step-000100\n")
    _save(tmp_path, engine, 150, keep=1)
    assert find_checkpoint(tmp_path).step == 150
    assert _names(tmp_path) == {"step-000150", "step-000200", "latest"}


class _Killed(BaseException):
    """Stands for the end of the process."""


@pytest.mark.parametrize("moment", ["state", "weights", "facts", "rename", "pointer"])
def test_a_save_that_is_interrupted_leaves_the_latest_in_charge(
    tmp_path: Path, engine: Engine, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    _save(tmp_path, engine, 1)

    def stop(*_: Any, **__: Any) -> None:
        raise _Killed

    replaced: list[str] = []
    rename = os.replace

    def replace(source: Any, target: Any) -> None:
        replaced.append(Path(target).name)
        if Path(target).name == ("latest" if moment == "pointer" else "step-000002"):
            raise _Killed
        rename(source, target)

    with monkeypatch.context() as patch:
        if moment == "state":
            patch.setattr(engine, "save", stop)
        elif moment == "weights":
            patch.setattr("mcg.engine.checkpoint.save_file", stop)
        elif moment == "facts":
            patch.setattr("mcg.engine.checkpoint.json.dumps", stop)
        else:
            patch.setattr("mcg.engine.checkpoint.os.replace", replace)
        with pytest.raises(_Killed):
            _save(tmp_path, engine, 2)
    assert find_checkpoint(tmp_path).step == 1
    _save(tmp_path, engine, 2)
    assert find_checkpoint(tmp_path).step == 2
    assert _names(tmp_path) == {"step-000001", "step-000002", "latest"}


def test_tied_weights_are_stored_once_and_tied_again(tmp_path: Path, engine: Engine) -> None:
    folder = _save(tmp_path, engine, 1)
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
    folder = _save(tmp_path, engine, 1)
    assert load_weights(torch.nn.ModuleDict({"model": make_model()}).get_submodule("model"), folder) == []
    wider = make_model()
    wider.head = torch.nn.Linear(16, 3)
    assert load_weights(wider, folder) == ["head.bias", "head.weight"]


def test_another_models_weights_are_refused_with_both_shapes(tmp_path: Path, engine: Engine) -> None:
    folder = _save(tmp_path, engine, 1)
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
    file = _save(tmp_path, engine, 1) / "model.safetensors"
    if damage == "missing":
        file.unlink()
    else:
        file.write_bytes(file.read_bytes()[:1000])
    with pytest.raises(CheckpointError, match=r"model\.safetensors: not readable: "):
        load_weights(make_model(), file.parent)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"format": 1, "ste', r"checkpoint\.json: not readable: JSONDecodeError"),
        ("[]", r"checkpoint\.json: not readable: TypeError"),
        ('{"format": 1}', r"checkpoint\.json: not readable: KeyError\('step'\)"),
        ('{"format": 9, "step": 1}', r"step-000001: checkpoint format 9, this version reads 1"),
    ],
)
def test_a_broken_description_is_named(tmp_path: Path, engine: Engine, content: str, message: str) -> None:
    (_save(tmp_path, engine, 1) / "checkpoint.json").write_text(content)
    with pytest.raises(CheckpointError, match=message):
        find_checkpoint(tmp_path)


def test_a_pointer_to_nothing_names_the_remedy(tmp_path: Path, engine: Engine) -> None:
    _save(tmp_path, engine, 1)
    (tmp_path / "checkpoints" / "latest").write_text("step-000009\n")
    with pytest.raises(
        CheckpointError, match=r"latest names 'step-000009', which is not a checkpoint beside it; write"
    ):
        find_checkpoint(tmp_path)


def test_the_description_says_versions_and_world_size(tmp_path: Path, engine: Engine) -> None:
    facts = json.loads((_save(tmp_path, engine, 1) / "checkpoint.json").read_text())
    assert facts["torch"] == torch.__version__ and facts["world_size"] == 1
