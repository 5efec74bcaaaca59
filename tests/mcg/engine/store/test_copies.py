"""Checkpoints are copied to a disk or a store, whole or absent, and a run whose folder is gone goes on from there."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from mcg.engine.checkpoint import CheckpointError, find_checkpoint
from mcg.engine.deepspeed import Engine
from mcg.engine.saving import save_checkpoint
from mcg.engine.store.copies import Copies, open_copies, wait_for_copies
from mcg.engine.store.integrity import seal
from mcg.engine.store.resume import resume_point
from tests.mcg.engine.small_engine import names, save
from tests.servers.proxy import FaultProxy, Faults
from tests.servers.s3 import S3Server

ROOT = Path(__file__).resolve().parents[4]


@pytest.fixture(params=["folder", "moto", "rgw"])
def to(request: pytest.FixtureRequest, use_s3: Callable[..., None], tmp_path: Path) -> str:
    """An empty place for copies."""
    if request.param == "folder":
        return str(tmp_path / "copies")
    server = request.getfixturevalue("s3_server" if request.param == "moto" else "rgw")
    use_s3(server)
    return f"s3://{server.bucket}/{tmp_path.name}/run"


def _saved(run: Path, engine: Engine, *steps: int) -> list[Path]:
    return [save(run, engine, step, keep=9) for step in steps]


def _bytes(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_run_whose_folder_is_gone_goes_on_from_the_last_copy(to: str, tmp_path: Path, engine: Engine) -> None:
    copies, run = Copies(to, keep=2), tmp_path / "run"
    for folder in _saved(run, engine, 1, 2, 3):
        copies.push(folder)
        assert copies.wait() is None
    kept = _bytes(folder)
    shutil.rmtree(run)
    assert open_copies(to, run, 2, None) is not None
    found = resume_point(run)
    assert found is not None and found.step == 3 and _bytes(found.folder) == kept
    assert [path.name for path in (run / "checkpoints").iterdir() if path.is_dir()] == ["step-000003"]


def test_as_many_are_kept_as_in_the_folder_and_those_of_every_so_many_steps(
    to: str, tmp_path: Path, engine: Engine
) -> None:
    copies = Copies(to, keep=1, keep_every_steps=2)
    for folder in _saved(tmp_path / "run", engine, 1, 2, 3, 4, 5):
        copies.push(folder)
        assert copies.wait() is None
    there = copies._files.ls(copies._prefix, detail=False)
    assert sorted(path.rpartition("/")[2] for path in there) == ["latest", "step-000002", "step-000004", "step-000005"]


def test_what_the_last_run_could_not_copy_is_copied_when_it_is_started_again(
    to: str, tmp_path: Path, engine: Engine
) -> None:
    _saved(tmp_path / "run", engine, 1, 2)
    wait_for_copies(open_copies(to, tmp_path / "run", 2, None))
    assert open_copies(to, tmp_path / "other", 2, None) is not None
    assert find_checkpoint(tmp_path / "other").step == 2


def test_a_run_without_copies_begins_from_scratch(to: str, tmp_path: Path) -> None:
    assert open_copies(None, tmp_path / "run", 2, None) is None
    wait_for_copies(open_copies(to, tmp_path / "run", 2, None))
    assert resume_point(tmp_path / "run") is None


def test_a_place_that_cannot_be_written_is_refused_when_a_run_begins(
    s3_server: S3Server, s3_login: Callable[[str, str], None], tmp_path: Path
) -> None:
    s3_login(s3_server.key, "wr0ngsecret")
    message = rf"^checkpoint\.to: s3://{s3_server.bucket}/run: .+; check the address and the credentials$"
    with pytest.raises(CheckpointError, match=message) as told:
        open_copies(f"s3://{s3_server.bucket}/run", tmp_path / "run", 2, None)
    assert "wr0ngsecret" not in str(told.value)
    (tmp_path / "file").write_text("")
    with pytest.raises(CheckpointError, match=r"file/x.*; make room, or name another place"):
        open_copies(str(tmp_path / "file" / "x"), tmp_path / "run", 2, None)


def test_a_copy_that_is_refused_midway_is_absent_and_the_next_one_is_made(
    s3_server: S3Server, proxy: FaultProxy, use_s3: Callable[..., None], tmp_path: Path, engine: Engine
) -> None:
    use_s3(s3_server, endpoint=proxy.endpoint)
    to, (first, second, third) = f"s3://{s3_server.bucket}/midway", _saved(tmp_path / "run", engine, 1, 2, 3)
    copies = Copies(to, keep=3)
    copies.push(first)
    assert copies.wait() is None
    proxy.faults = Faults(rates={"403": 1.0}, only="^PUT .*step-000002/state")
    copies.push(second)
    with pytest.raises(CheckpointError, match=r"midway/step-000002: .*; it is whole in the run's folder, and the same"):
        wait_for_copies(copies)
    open_copies(to, tmp_path / "other", 3, None)
    assert find_checkpoint(tmp_path / "other").step == 1
    proxy.faults = Faults()
    copies.push(third)
    assert copies.wait() is None
    shutil.rmtree(tmp_path / "other")
    open_copies(to, tmp_path / "other", 3, None)
    assert find_checkpoint(tmp_path / "other").step == 3


def test_a_process_that_is_killed_midway_leaves_the_copy_before(tmp_path: Path, engine: Engine) -> None:
    first, second = _saved(tmp_path / "run", engine, 1, 2)
    script = (
        "import os, sys\nfrom pathlib import Path\nfrom mcg.engine.store.copies import Copies\n"
        "copies = Copies(sys.argv[1], 2)\ncopies.push(Path(sys.argv[2]))\nassert copies.wait() is None\n"
        "put = copies._files.put_file\n"
        "def killed(here, there): os._exit(9) if there.endswith('checkpoint.json') else put(here, there)\n"
        "copies._files.put_file = killed\ncopies.push(Path(sys.argv[3]))\ncopies.wait()\n"
    )
    words = [sys.executable, "-c", script, str(tmp_path / "to"), str(first), str(second)]
    assert subprocess.run(words, cwd=ROOT, timeout=200, check=False).returncode == 9
    assert (tmp_path / "to" / "step-000002" / "model.safetensors").exists()
    open_copies(str(tmp_path / "to"), tmp_path / "other", 2, None)
    assert find_checkpoint(tmp_path / "other").step == 1


def test_a_copy_that_names_files_elsewhere_is_refused_and_writes_nothing(tmp_path: Path, engine: Engine) -> None:
    to = tmp_path / "to"
    wait_for_copies(_pushed(Copies(str(to), 2), *_saved(tmp_path / "run", engine, 1)))
    description = to / "step-000001" / "checkpoint.json"
    facts = json.loads(description.read_text())
    del facts["checksum"]
    facts["files"]["../../evil"] = facts["files"]["model.safetensors"]
    shutil.copy(to / "step-000001" / "model.safetensors", to.parent / "evil")
    description.write_text(json.dumps(seal(facts)))
    with pytest.raises(CheckpointError, match=r"names the file '\.\./\.\./evil', which is not below the checkpoint"):
        open_copies(str(to), tmp_path / "other", 2, None)
    assert not (tmp_path / "other" / "evil").exists() and resume_point(tmp_path / "other") is None


def _pushed(copies: Copies, *folders: Path) -> Copies:
    for folder in folders:
        copies.push(folder)
    return copies


def test_a_folder_that_is_being_copied_is_kept_until_it_is(tmp_path: Path, engine: Engine) -> None:
    copies, run = Copies(str(tmp_path / "to"), 1), tmp_path / "run"
    go, put = threading.Event(), copies._files.put_file
    copies._files.put_file = lambda here, there: go.wait() and put(here, there)

    def save(step: int) -> None:
        engine.step = step
        save_checkpoint(run, engine, {}, {}, 1, copies=copies)

    save(1)
    while not copies.reads(run / "checkpoints" / "step-000001"):
        pass
    save(2)
    save(3)
    assert names(run) == {"latest", "step-000001", "step-000003"}, "one that waits is left out for a newer one"
    go.set()
    assert copies.wait() is None
    save(4)
    assert copies.wait() is None and names(run) == {"latest", "step-000004"}
    assert {path.name for path in (tmp_path / "to").iterdir()} == {"latest", "step-000004"}


def test_of_copies_the_newest_whole_one_is_taken(
    tmp_path: Path, engine: Engine, caplog: pytest.LogCaptureFixture
) -> None:
    to = tmp_path / "to"
    copies = Copies(str(to), 9)
    for folder in _saved(tmp_path / "run", engine, 1, 2, 3):
        copies.push(folder)
        assert copies.wait() is None
    (to / "step-000003" / "checkpoint.json").unlink()
    weights = to / "step-000002" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"x")
    leftover = tmp_path / "other" / "checkpoints" / ".step-000001" / "state" / "foreign.safetensors"
    leftover.parent.mkdir(parents=True)
    leftover.write_bytes(b"x")
    open_copies(str(to), tmp_path / "other", 9, None)
    found = resume_point(tmp_path / "other")
    assert found is not None and found.step == 1 and "step-000001 is taken instead" in caplog.text
    shutil.rmtree(to / "step-000001")
    with pytest.raises(CheckpointError, match=r"to/step-000003: "):
        open_copies(str(to), tmp_path / "third", 9, None)


def test_a_pointer_that_cannot_be_read_is_an_error_like_others(tmp_path: Path, engine: Engine) -> None:
    _saved(tmp_path / "run", engine, 1)
    (tmp_path / "to" / "latest").mkdir(parents=True)
    with pytest.raises(CheckpointError, match=r"^checkpoint\.to: .*to/latest: "):
        open_copies(str(tmp_path / "to"), tmp_path / "run", 9, None)


def test_who_does_not_wait_long_enough_is_told(tmp_path: Path, engine: Engine) -> None:
    copies = Copies(str(tmp_path / "to"), 2)
    (folder,) = _saved(tmp_path / "run", engine, 1)
    go, put = threading.Event(), copies._files.put_file
    copies._files.put_file = lambda here, there: go.wait() and put(here, there)
    copies.push(folder)
    assert copies.wait(0.01) == f"{tmp_path / 'to'}: the last checkpoint is not copied yet"
    go.set()
    assert copies.wait() is None
