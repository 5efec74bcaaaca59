"""Checkpoints are written whole or not at all, and older ones make room."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
import torch

from mcg.engine.checkpoint import find_checkpoint
from mcg.engine.deepspeed import Engine
from tests.mcg.engine.small_engine import names, save


def test_only_the_newest_are_kept(tmp_path: Path, engine: Engine) -> None:
    for step in (1, 2, 3):
        save(tmp_path, engine, step)
    assert names(tmp_path) == {"step-000002", "step-000003", "latest"}


def test_newest_means_by_number_beyond_a_million_steps(tmp_path: Path, engine: Engine) -> None:
    for step in (999_998, 999_999, 1_000_000, 1_000_001):
        save(tmp_path, engine, step)
    assert names(tmp_path) == {"step-1000000", "step-1000001", "latest"}


def test_a_run_that_went_back_keeps_what_it_saves(tmp_path: Path, engine: Engine) -> None:
    save(tmp_path, engine, 100)
    save(tmp_path, engine, 200)
    (tmp_path / "checkpoints" / "latest").write_text("step-000100\n")
    save(tmp_path, engine, 150, keep=1)
    assert find_checkpoint(tmp_path).step == 150
    assert names(tmp_path) == {"step-000150", "step-000200", "latest"}


class _Killed(BaseException):
    """Stands for the end of the process."""


@pytest.mark.parametrize("moment", ["state", "weights", "facts", "rename", "pointer"])
def test_a_save_that_is_interrupted_leaves_the_latest_in_charge(
    tmp_path: Path, engine: Engine, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    save(tmp_path, engine, 1)

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
            patch.setattr(engine, "model_state", stop)
        elif moment == "facts":
            patch.setattr(json, "dumps", stop)
        else:
            patch.setattr(os, "replace", replace)
        with pytest.raises(_Killed):
            save(tmp_path, engine, 2)
    assert find_checkpoint(tmp_path).step == 1
    save(tmp_path, engine, 2)
    assert find_checkpoint(tmp_path).step == 2
    assert names(tmp_path) == {"step-000001", "step-000002", "latest"}


def test_the_description_says_versions_and_world_size(tmp_path: Path, engine: Engine) -> None:
    facts = json.loads((save(tmp_path, engine, 1) / "checkpoint.json").read_text())
    assert facts["torch"] == torch.__version__ and facts["world_size"] == 1
