"""A run's checkpoints are found by folder and pointer; what is broken is named."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from mcg.engine.checkpoint import CheckpointError, find_checkpoint, latest_checkpoint
from mcg.engine.deepspeed import Engine
from mcg.engine.saving import save_checkpoint
from tests.mcg.engine.small_engine import make_batch, make_engine

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
