"""Checkpoints are written whole or not at all, and older ones make room."""

from __future__ import annotations

import json
import os
import random
import resource
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch

from mcg.engine.checkpoint import CheckpointError, find_checkpoint, read_pointer
from mcg.engine.deepspeed import Engine
from mcg.engine.saving import save_best, save_checkpoint, wait_for_save
from mcg.engine.store.background import Background
from mcg.engine.store.resume import resume_point
from mcg.engine.weights import read_weights
from tests.forked import context
from tests.mcg.engine.small_engine import CURSOR, names, save
from tests.mcg.engine.store.endless_saves import save_without_end


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


def test_those_of_every_so_many_steps_are_kept_for_good(tmp_path: Path, engine: Engine) -> None:
    for step in range(1, 8):
        engine.step = step
        save_checkpoint(tmp_path, engine, CURSOR, {}, 2, keep_every_steps=3)
    assert names(tmp_path) == {"step-000003", "step-000006", "step-000007", "latest"}


def test_in_the_background_the_moment_of_the_call_is_saved(tmp_path: Path, engine: Engine) -> None:
    background, cursor = Background(), {"next": 1}
    engine.step = 1
    expected = {name: tensor.clone() for name, tensor in engine.model_state().items()}
    with torch.no_grad():
        folder = save_checkpoint(tmp_path, engine, cursor, {}, 2, background=background)
        background.wait_for_copy()
        for parameter in engine.bundle.parameters():
            parameter.add_(1)
        cursor["next"] = 2
    wait_for_save(tmp_path, background)
    found = resume_point(tmp_path)
    assert found is not None and (found.folder, found.cursor) == (folder, {"next": 1})
    for name, tensor in read_weights(folder).items():
        assert torch.equal(tensor, expected[name]), name
    save(tmp_path / "beside", engine, 1)
    assert set(find_checkpoint(folder).files or ()) == set(find_checkpoint(tmp_path / "beside").files or ())


def test_what_went_wrong_in_the_background_is_told_at_the_next_save(tmp_path: Path, engine: Engine) -> None:
    background = Background()
    save(tmp_path, engine, 1)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (5_000, hard))
    try:
        engine.step = 2
        save_checkpoint(tmp_path, engine, CURSOR, {}, 2, background=background)
        engine.step = 3
        with pytest.raises(
            CheckpointError, match=r"the one before this was not saved: File too large; make room.*from st"
        ):
            save_checkpoint(tmp_path, engine, CURSOR, {}, 2, background=background)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert names(tmp_path) == {"step-000001", "latest"}
    save_checkpoint(tmp_path, engine, CURSOR, {}, 2, background=background)
    wait_for_save(tmp_path, background)
    assert find_checkpoint(tmp_path).step == 3


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
            patch.setattr(engine, "state", stop)
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


def test_everyone_reads_what_the_umask_allows(tmp_path: Path, engine: Engine) -> None:
    before = os.umask(0o027)
    try:
        save(tmp_path / "run", engine, 1)
    finally:
        os.umask(before)
    modes = {(path.is_dir(), path.stat().st_mode & 0o777) for path in (tmp_path / "run").rglob("*")}
    assert modes == {(True, 0o750), (False, 0o640)}


def test_every_file_is_known(tmp_path: Path, engine: Engine) -> None:
    folder = save(tmp_path, engine, 1)
    there = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert set(find_checkpoint(folder).files or ()) == there - {"checkpoint.json"}


@pytest.mark.parametrize("room", [0, 5_000])
def test_a_file_that_cannot_grow_ends_the_save_in_one_line(tmp_path: Path, engine: Engine, room: int) -> None:
    save(tmp_path, engine, 1)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, hard))
    try:
        with pytest.raises(CheckpointError) as refused:
            save(tmp_path, engine, 2)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert str(refused.value).splitlines() == [
        f"{tmp_path}/checkpoints: step-000002 was not saved: File too large; make room or set another run_dir; what "
        "was written of it is removed, and the same command goes on from step-000001"
    ]
    assert names(tmp_path) == {"step-000001", "latest"}
    found = resume_point(tmp_path)
    assert found is not None and found.step == 1


_OWN_MOUNTS = ("unshare", "-rm")


@pytest.mark.skipif(
    shutil.which("unshare") is None
    or subprocess.run([*_OWN_MOUNTS, "mount", "-t", "tmpfs", "none", "/mnt"], capture_output=True).returncode != 0,
    reason="no file system can be mounted here",
)
def test_a_disk_that_fills_up_leaves_the_last_checkpoint(tmp_path: Path) -> None:
    done = subprocess.run(
        [*_OWN_MOUNTS, sys.executable, "-m", "tests.mcg.engine.full_disk", str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert done.returncode == 0, done.stderr
    *full, room = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(full) == 4
    for moment in full:
        assert "was not saved: No space left on device" in moment["said"]
        assert (moment["resumes"], moment["left"]) == (1, ["latest", "step-000001"])
    assert room["resumes"] == 9


def test_there_is_a_best_at_every_moment(tmp_path: Path, engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where a run that went back scores anew at the very step of the best before."""

    def best(value: float) -> Path:
        return save_best(tmp_path, engine, {}, {}, ("accuracy", value))

    engine.step = 4
    first = best(0.3)
    rename = os.replace
    moments: list[str] = []

    def replace(source: Any, target: Any) -> None:
        moments.append(find_checkpoint(tmp_path, "best").folder.name)
        rename(source, target)
        moments.append(find_checkpoint(tmp_path, "best").folder.name)

    monkeypatch.setattr(os, "replace", replace)
    second = best(0.5)
    monkeypatch.undo()
    assert set(moments) == {first.name, second.name} and second.name == "best-000004.1"
    assert names(tmp_path) == {"best", second.name}
    assert best(0.6).name == "best-000004"


@pytest.mark.parametrize("how", ["background", "blocking"])
@pytest.mark.parametrize("kills", [2, pytest.param(25, marks=[pytest.mark.long, pytest.mark.timeout(900)])])
def test_a_save_that_is_killed_at_any_moment_leaves_whole_checkpoints(tmp_path: Path, how: str, kills: int) -> None:
    draw, last = random.Random(kills), 0
    for _ in range(kills):
        saved = context.Event()
        saving = context.Process(target=save_without_end, args=(tmp_path, how == "background", saved))
        saving.start()
        assert saved.wait(100)
        time.sleep(draw.random() * 0.2)  # any moment
        saving.kill()
        saving.join()
        found = resume_point(tmp_path)
        assert found is not None and found.step > last and found.cursor == {"step": found.step}
        assert found.folder.name == read_pointer(tmp_path / "checkpoints" / "latest")
        assert set(read_weights(found.folder)["w"].tolist()) == {float(found.step)}
        last = found.step
