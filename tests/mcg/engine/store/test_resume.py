"""A run goes on from its newest whole checkpoint; what is damaged is named and never loaded in silence."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from mcg.engine.checkpoint import Checkpoint, CheckpointError, find_checkpoint
from mcg.engine.deepspeed import Engine
from mcg.engine.store.resume import resume_point
from mcg.engine.weights import read_weights
from tests.mcg.engine.small_engine import CURSOR, save


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, engine: Engine) -> Path:
    """A run with checkpoints of steps 1 and 2."""
    folder = tmp_path_factory.mktemp("resume") / "run"
    for step in (1, 2):
        save(folder, engine, step)
    return folder


@pytest.fixture
def copy(run: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(run, tmp_path / "run"))


def _last(run: Path) -> Path:
    return run / "checkpoints" / "step-000002"


def _edit(name: str, value: object) -> Callable[[Path], None]:
    def edit(run: Path) -> None:
        file = _last(run) / "checkpoint.json"
        file.write_text(json.dumps({**json.loads(file.read_text()), name: value}))

    return edit


def _state(run: Path, step: int = 2) -> Path:
    return sorted((run / "checkpoints" / f"step-{step:06d}" / "state").iterdir())[0]


def _of_another_step(run: Path) -> None:
    shutil.copy(_state(run, 1), _state(run))
    _state(run).write_bytes(_state(run).read_bytes()[:-1] + b"x")


def _flip(run: Path) -> None:
    data = bytearray((_last(run) / "model.safetensors").read_bytes())
    data[len(data) // 2] ^= 4
    (_last(run) / "model.safetensors").write_bytes(data)


DAMAGES: dict[str, tuple[Callable[[Path], object], str]] = {
    "flipped bit": (_flip, "model.safetensors: not readable: is not what was saved"),
    "missing": (lambda run: _state(run).unlink(), ": not readable: it is missing"),
    "foreign": (
        lambda run: (_last(run) / "state" / "x.pt").touch(),
        "x.pt: was not saved with this checkpoint; remove",
    ),
    "another step": (_of_another_step, "not readable: is not what was saved"),
    "edited step": (_edit("step", 3), "checkpoint.json: is not what was saved: its content does not fit its checksum"),
    "edited cursor": (_edit("cursor", {**CURSOR, "seed": 1}), "checkpoint.json: is not what was saved"),
    "older format": (_edit("files", {}), "checkpoint.json: is not what was saved"),
    "no description": (lambda run: (_last(run) / "checkpoint.json").unlink(), "step-000002: has no checkpoint.json"),
    "renamed": (
        lambda run: (shutil.rmtree(_last(run)), shutil.copytree(_last(run).with_name("step-000001"), _last(run))),
        "step-000002: its checkpoint.json is of step 1; give the folder the name",
    ),
    "gone": (lambda run: shutil.rmtree(_last(run)), "latest: names 'step-000002', which is not there"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_checkpoint_is_named_and_the_one_before_is_taken(
    copy: Path, capsys: pytest.CaptureFixture[str], damage: str
) -> None:
    work, message = DAMAGES[damage]
    work(copy)
    found = resume_point(copy)
    assert found is not None and (found.step, found.cursor) == (1, CURSOR)
    (said,) = capsys.readouterr().err.splitlines()
    assert message in said and said.endswith("going on from step-000001, the newest one before it that is whole")


def test_a_whole_one_is_taken_without_a_word(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = resume_point(run)
    assert found is not None and found.step == 2 and capsys.readouterr().err == ""
    assert resume_point(run / "nowhere") is None


def test_a_broken_pointer_gives_the_newest(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pointer = copy / "checkpoints" / "latest"
    pointer.write_text(pointer.read_text().replace("2 ", "1 "))
    found = resume_point(copy)
    assert found is not None and found.step == 2
    assert "latest: is not what was saved; going on from step-000002" in capsys.readouterr().err
    pointer.write_text("step-000001\n")  # by hand
    found = resume_point(copy)
    assert found is not None and found.step == 1 and capsys.readouterr().err == ""


def test_a_run_without_a_whole_one_is_refused(copy: Path) -> None:
    for step in (1, 2):
        (copy / "checkpoints" / f"step-{step:06d}" / "model.safetensors").write_bytes(b"x")
    with pytest.raises(
        CheckpointError, match=r"step-000002.*1 bytes.*no other checkpoint of the run is whole: copy it"
    ):
        resume_point(copy)


def test_a_checkpoint_of_before_checksums_is_taken_and_said_to_be_unchecked(
    copy: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = _last(copy) / "checkpoint.json"
    facts = json.loads(file.read_text())
    del facts["files"], facts["checksum"]
    file.write_text(json.dumps({**facts, "format": 1}))
    found = resume_point(copy)
    assert found is not None and found.step == 2
    read_weights(found.folder)
    assert "step-000002: of an older version, without checksums: its files are not checked" in caplog.text


def test_another_run_is_continued_only_where_this_one_has_no_checkpoint(run: Path, copy: Path, tmp_path: Path) -> None:
    found = resume_point(tmp_path / "new", copy)
    assert found is not None and found.folder == _last(copy)
    found = resume_point(run, copy)
    assert found is not None and found.folder == _last(run)
    _flip(copy)
    with pytest.raises(
        CheckpointError, match=r"step-000002/model\.safetensors.*; copy the checkpoint again, or name ano"
    ):
        resume_point(tmp_path / "new", copy)


def _same(found: Checkpoint, whole: Checkpoint) -> bool:
    return (found.step, found.cursor, found.config, found.files) == (
        whole.step,
        whole.cursor,
        whole.config,
        whole.files,
    )


@pytest.mark.parametrize("number", [60, pytest.param(1000, marks=pytest.mark.long)])
def test_no_changed_bit_is_loaded_in_silence(copy: Path, capsys: pytest.CaptureFixture[str], number: int) -> None:
    draw = random.Random(number)
    root = copy / "checkpoints"
    files = [root / "latest", *sorted(path for path in _last(copy).rglob("*") if path.is_file())]
    whole, weights = find_checkpoint(_last(copy)), read_weights(_last(copy))
    refused = 0
    for _ in range(number):
        file = draw.choice(files)
        data = file.read_bytes()
        at, bit = draw.randrange(len(data)), draw.randrange(8)
        changed = bytearray(data)
        changed[at] ^= 1 << bit
        file.write_bytes(changed)
        what = f"{file.name}: bit {bit} of byte {at}"
        found = resume_point(copy)
        said = capsys.readouterr().err
        assert found is not None
        if said:
            refused += 1
            assert file == root / "latest" or found.step == 1, what
            if file.name in (
                "model.safetensors",
                "checkpoint.json",
            ):  # explicitly named, it is refused and not replaced
                with pytest.raises(CheckpointError, match=str(file)):
                    read_weights(_last(copy))
        else:
            assert _same(found, whole), what
            again = read_weights(found.folder)
            assert again.keys() == weights.keys() and all(torch.equal(again[n], weights[n]) for n in weights), what
        file.write_bytes(data)
    assert refused > 0.9 * number
