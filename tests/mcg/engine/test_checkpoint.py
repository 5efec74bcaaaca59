"""A run's checkpoints are found by folder and pointer; what is broken is named."""

from __future__ import annotations

from pathlib import Path

import pytest

from mcg.engine.checkpoint import CheckpointError, find_checkpoint, has_latest, saved_steps
from mcg.engine.deepspeed import Engine
from tests.mcg.engine.small_engine import CURSOR, save


def test_a_checkpoint_is_found_by_its_folder_and_by_its_run(tmp_path: Path, engine: Engine) -> None:
    folder = save(tmp_path, engine, 5)
    assert folder == tmp_path / "checkpoints" / "step-000005"
    for path in (folder, tmp_path):
        found = find_checkpoint(path)
        assert (found.folder, found.step, found.cursor, found.config) == (folder, 5, CURSOR, {"run_dir": "r"})
    assert {"model.safetensors", "checkpoint.json", "state"} <= {path.name for path in folder.iterdir()}


def test_the_steps_of_a_run_are_those_whose_folders_have_the_name_of_a_checkpoint_to_go_on_from(tmp_path: Path) -> None:
    for name in ("step-000010", "step-000009.1", "step-1000000", "best-000010", "step-9", "step-000009.tmp", "other"):
        (tmp_path / name).mkdir()
    assert saved_steps(tmp_path) == [(9, "step-000009.1"), (10, "step-000010"), (1000000, "step-1000000")]


def test_a_run_without_checkpoints_has_none(tmp_path: Path) -> None:
    assert not has_latest(tmp_path)
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
        ('{"format": 9, "step": 1}', r"step-000001: checkpoint format 9, this version reads 2"),
    ],
)
def test_a_broken_description_is_named(tmp_path: Path, engine: Engine, content: str, message: str) -> None:
    (save(tmp_path, engine, 1) / "checkpoint.json").write_text(content)
    with pytest.raises(CheckpointError, match=message):
        find_checkpoint(tmp_path)


def test_a_pointer_to_nothing_names_the_remedy(tmp_path: Path, engine: Engine) -> None:
    save(tmp_path, engine, 1)
    (tmp_path / "checkpoints" / "latest").write_text("step-000009\n")
    with pytest.raises(
        CheckpointError, match=r"latest names 'step-000009', which is not a checkpoint beside it; write"
    ):
        find_checkpoint(tmp_path)
