"""train.py as a user starts it: the story of a run, the same curve every time and however it is split or interrupted.

One plain run belongs to every test run; the others are marked long, since a process takes seconds to start.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from mcg.engine.checkpoint import find_checkpoint
from mcg.engine.store.resume import resume_point
from tests.end_to_end.in_turn import call_all
from tests.end_to_end.small_runs import PYTHON, STEPS, TORCHRUN, Runs, curve, deepspeed_launcher, lines
from tests.servers.s3 import S3Server

pytestmark = pytest.mark.timeout(600)
ACCOUNTING = {
    "steps": 16,
    "since_step": 0,
    "planned": 128,
    "delivered": 128,
    "failed": 0,
    "substituted": 0,
    "failed_attempts": 0,
    "padded": 0,
    "quarantine": {},
}
LOSSES = ("contrastive", "token_contrast", "masked_lm", "matching", "generation", "total")


@pytest.fixture(scope="module")
def whole(runs: Runs, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run folder of one process that nobody interrupted."""
    folder = tmp_path_factory.mktemp("whole") / "run"
    done = runs.train(folder, launcher=(*PYTHON, "-X", "importtime"))
    assert done.returncode == 0, done.stderr
    (folder.parent / "told").write_text(done.stderr)
    return folder


TOGETHER = {
    "again": ["seed=0"],
    "another seed": ["seed=1"],
    "stage 0": ["engine.zero_stage=0"],
    "stage 2": ["engine.zero_stage=2"],
    "stage 3": ["engine.zero_stage=3"],
    "bf16": ["engine.precision=bf16"],
    "checkpointing": ["engine.activation_checkpointing=true"],
}
"""Runs that are made in one process: the name of their folder -> what is other than in the plain run."""


@pytest.fixture(scope="module")
def together(runs: Runs, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the runs of TOGETHER; of those of ZeRO the weights were scored, too."""
    folder = tmp_path_factory.mktemp("together")
    commands = [["train.py", *runs.command(folder / name, *options)] for name, options in TOGETHER.items()]
    for name in TOGETHER:
        if name.startswith("stage"):
            told = ["--checkpoint", str(folder / name), "--out", str(folder / name / "out"), "--again"]
            commands.append(["-m", "mcg.evaluate", *told, *runs.command(folder / name)])
    for done in call_all(commands):
        assert done.returncode == 0, done.stderr
    return folder


def _assert_nearly_the_same(run: Path, other: Path) -> None:
    for step, (found, expected) in enumerate(zip(curve(run), curve(other), strict=True), 1):
        for name in LOSSES:
            assert found[name] == pytest.approx(expected[name], rel=1e-4), (step, name)


def test_a_run_logs_scores_and_saves(whole: Path) -> None:
    losses = curve(whole)
    assert len(losses) == STEPS
    assert all(set(step) == {*LOSSES, "gradient_norm", "lr"} for step in losses)
    assert losses[-1]["token_contrast"] < losses[0]["token_contrast"]
    steps = [line for line in lines(whole) if "losses" in line]
    assert all(0 <= line["data_wait_share"] <= 1 and line["dataset"] == "shapes" for line in steps)
    scores = next(line for line in lines(whole) if "metrics" in line)
    assert (scores["step"], scores["metrics"]["num_scored"]) == (STEPS, 60)
    assert json.loads((whole / "evaluation" / "val" / "metrics.json").read_text()) == scores["metrics"]
    assert json.loads((whole / "accounting.json").read_text()) == ACCOUNTING
    checkpoint = find_checkpoint(whole)
    assert checkpoint.step == STEPS and checkpoint.config["task"]["name"] == "pretrain"


def test_a_run_starts_without_the_compiler_and_scipy(whole: Path) -> None:
    loaded = set(re.findall(r"^import time: .*\| +(\S+)$", (whole.parent / "told").read_text(), re.MULTILINE))
    assert "torch" in loaded and not loaded & {"torch._inductor.compile_fx", "scipy.optimize"}


@pytest.mark.long
def test_the_same_run_gives_the_same_losses(whole: Path, together: Path) -> None:
    assert curve(together / "again") == curve(whole)
    assert curve(together / "another seed") != curve(whole)


def _interrupt(process: subprocess.Popen[str], after_step: int, number: int, child: bool = False) -> int:
    """Send a signal to a process or its only child once a step is told of, wait until all below it have ended (nobody
    holds their standard error open), and return the exit code."""
    assert process.stderr is not None
    told = []
    for line in process.stderr:
        told.append(line)
        if line.startswith(f"step {after_step}/"):
            children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
            os.kill(int(children.read_text()) if child else process.pid, number)
            break
    process.communicate(timeout=300)
    assert told and told[-1].startswith(f"step {after_step}/"), "".join(told)
    return process.returncode


def _held(step: int) -> Sequence[str]:
    """For a program that goes no further than this step before it is sent a signal."""
    return (*PYTHON, "-m", "tests.end_to_end.held_run", str(step))


@pytest.mark.long
@pytest.mark.parametrize("stage", [0, 1])
def test_sigterm_saves_and_the_same_command_goes_on(runs: Runs, whole: Path, tmp_path: Path, stage: int) -> None:
    run = tmp_path / "run"
    option = f"engine.zero_stage={stage}"
    assert _interrupt(runs.start(run, option, launcher=_held(3)), 3, signal.SIGTERM) == 75
    stopped = find_checkpoint(run).step
    assert stopped == 3
    assert len(curve(run)) == stopped
    done = runs.train(run, option)
    assert done.returncode == 0, done.stderr
    assert f"from {run / 'checkpoints' / f'step-{stopped:06d}'}; steps {stopped} to {STEPS}" in done.stderr
    if stage == 1:
        assert curve(run) == curve(whole)
    else:
        _assert_nearly_the_same(run, whole)


@pytest.mark.long
def test_a_killed_run_goes_on_from_its_last_checkpoint(runs: Runs, whole: Path, tmp_path: Path) -> None:
    run, option = tmp_path / "run", "checkpoint.every_steps=2"
    assert _interrupt(runs.start(run, option, launcher=_held(5)), 5, signal.SIGKILL) == -signal.SIGKILL
    assert find_checkpoint(run).step == 4
    done = runs.train(run, option)
    assert done.returncode == 0, done.stderr
    assert curve(run) == curve(whole)
    kept = sorted(path.name for path in (run / "checkpoints").glob("*step-*"))
    assert kept == ["step-000014", "step-000016"]


@pytest.mark.long
def test_a_run_that_is_done_writes_the_scores_that_a_kill_has_cost(runs: Runs, tmp_path: Path) -> None:
    run = tmp_path / "run"
    assert runs.train(run, "schedule.length.steps=2").returncode == 0
    files = {file.name: file.read_bytes() for file in (run / "evaluation" / "val").iterdir()}
    (run / "evaluation" / "val" / "metrics.json").unlink()  # the last one to be written
    done = runs.train(run, "schedule.length.steps=2")
    assert done.returncode == 0 and "is done: step 2 of 2" in done.stdout + done.stderr
    assert {file.name: file.read_bytes() for file in (run / "evaluation" / "val").iterdir()} == files


@pytest.mark.long
def test_ctrl_c_ends_a_run_without_a_traceback(runs: Runs, tmp_path: Path) -> None:
    run = tmp_path / "run"
    process = runs.start(run, "checkpoint.every_steps=2", launcher=_held(5))
    assert _interrupt(process, 5, signal.SIGINT) == 130
    assert find_checkpoint(run).step == 4


def _torchrun() -> Sequence[str]:
    return TORCHRUN


@pytest.mark.long
@pytest.mark.parametrize(
    ("launcher", "child"), [(_torchrun, False), (deepspeed_launcher, False), (deepspeed_launcher, True)]
)
def test_ranks_whose_launcher_is_killed_save_and_end(
    runs: Runs, tmp_path: Path, launcher: Callable[[], Sequence[str]], child: bool
) -> None:
    """deepspeed has two launchers: the command, and its child that starts the ranks."""
    run = tmp_path / "run"
    process = runs.start(run, "schedule.length.steps=1000", launcher=launcher())
    _interrupt(process, 3, signal.SIGKILL, child)
    stopped = find_checkpoint(run).step
    assert 3 <= stopped < 1000
    assert len(curve(run)) == stopped


@pytest.mark.long
def test_two_processes_give_the_losses_of_one(runs: Runs, whole: Path, tmp_path: Path) -> None:
    """Whichever launcher starts them: test_training_guide.py."""
    done = runs.train(tmp_path / "run", ranks=2)
    assert done.returncode == 0, done.stderr
    _assert_nearly_the_same(tmp_path / "run", whole)
    facts = json.loads((tmp_path / "run" / "accounting.json").read_text())
    assert facts == ACCOUNTING


@pytest.mark.long
@pytest.mark.parametrize("stage", [0, 2, 3])
def test_every_zero_stage_gives_the_same_losses(whole: Path, together: Path, stage: int) -> None:
    _assert_nearly_the_same(together / f"stage {stage}", whole)
    assert json.loads((together / f"stage {stage}" / "out" / "metrics.json").read_text())["num_scored"] == 60


@pytest.mark.long
def test_a_run_whose_machine_is_lost_goes_on_from_the_copies_in_a_bucket(
    runs: Runs, whole: Path, tmp_path: Path, s3_server: S3Server, use_s3: Callable[..., None]
) -> None:
    use_s3(s3_server)
    options = (
        "checkpoint.every_steps=4",
        "checkpoint.in_background=true",
        f"checkpoint.to=s3://{s3_server.bucket}/lost",
    )
    assert _interrupt(runs.start(tmp_path / "run", *options, launcher=_held(7)), 7, signal.SIGTERM) == 75
    kept = lines(tmp_path / "run")
    shutil.rmtree(tmp_path / "run")
    done = runs.train(tmp_path / "run", *options)
    assert done.returncode == 0, done.stderr
    begun = int(re.search(r"steps (\d+) to 16", done.stderr)[1])  # type: ignore[index]
    assert begun in (4, 7) and f"is fetched from s3://{s3_server.bucket}/lost" in done.stderr
    losses = [line["losses"] for line in [*kept, *lines(tmp_path / "run")] if "losses" in line]
    assert losses[:begun] + losses[7:] == curve(whole)


@pytest.mark.long
def test_zero_3_over_two_processes_trains_and_scores(runs: Runs, whole: Path, tmp_path: Path) -> None:
    done = runs.train(tmp_path / "run", "engine.zero_stage=3", ranks=2)
    assert done.returncode == 0, done.stderr
    assert "FutureWarning" not in done.stderr, done.stderr
    _assert_nearly_the_same(tmp_path / "run", whole)
    # writing answers takes different numbers of steps on different ranks
    split = f"data.val={{batch_size: 14, blend: [{{name: v, path: {runs.data / 'questions'}}}]}}"
    options = (f"init_from={tmp_path / 'run'}", "engine.zero_stage=3", "data.train.batch_size=8", split)
    answered = runs.train(tmp_path / "qa", *options, config="questions", ranks=2)
    assert answered.returncode == 0, answered.stderr
    scores = json.loads((tmp_path / "qa" / "evaluation" / "val" / "metrics.json").read_text())
    assert scores["num_scored"] == 48  # eight each of clips with three, one and two questions


@pytest.mark.long
def test_bf16_trains(whole: Path, together: Path) -> None:
    for found, expected in zip(curve(together / "bf16"), curve(whole), strict=True):
        assert found["total"] == pytest.approx(expected["total"], rel=0.01)


@pytest.mark.long
def test_activation_checkpointing_gives_the_same_losses(whole: Path, together: Path) -> None:
    _assert_nearly_the_same(together / "checkpointing", whole)


@pytest.mark.long
def test_fine_tuning_starts_from_weights_and_scores_alike_on_one_and_two_processes(
    runs: Runs, whole: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    done = runs.train(run, f"init_from={whole}", config="questions")
    assert done.returncode == 0, done.stderr
    assert "open_qa: from the weights of" in done.stderr
    found = []
    for ranks, name in enumerate(("one", "two"), 1):
        # 48 questions in batches of 14: the last one is padded
        scored = runs.evaluate(run, tmp_path / name, "data.test.batch_size=14", config="questions", ranks=ranks)
        assert scored.returncode == 0, scored.stderr
        metrics = json.loads((tmp_path / name / "metrics.json").read_text())
        assert metrics["num_scored"] == 48
        answers = [json.loads(line) for line in (tmp_path / name / "predictions.jsonl").read_text().splitlines()]
        found.append((metrics, sorted((answer["id"], answer["prediction"]) for answer in answers)))
    assert found[0] == found[1]


def _error(done: subprocess.CompletedProcess[str], code: int = 1) -> str:
    """The one line of a run that was refused."""
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr, done.stderr
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    return line


@pytest.mark.long
def test_an_unknown_field_ends_the_run_in_one_line(runs: Runs, tmp_path: Path) -> None:
    done = runs.train(tmp_path / "run", "optim.lrr=1")
    assert "pretrain.yaml: optim.lrr: unknown field" in _error(done, code=2)
    assert not (tmp_path / "run").exists()


@pytest.mark.long
def test_a_missing_split_is_named(runs: Runs, tmp_path: Path) -> None:
    empty = tmp_path / "data" / "captions"
    empty.mkdir(parents=True)
    done = runs.train(tmp_path / "run", f"vars.data={tmp_path / 'data'}")
    assert str(empty) in _error(done, code=2)


@pytest.mark.long
def test_another_models_checkpoint_is_refused(runs: Runs, whole: Path, tmp_path: Path) -> None:
    wider = ("model.vision.width=64", "model.text.width=64")
    fresh = runs.train(tmp_path / "fresh", f"init_from={whole}", *wider)
    assert "weights of another model: a checkpoint of width 32, and model.vision.width is 64" in _error(fresh)
    scored = runs.evaluate(whole, tmp_path / "out", *wider)
    assert "weights of another model" in _error(scored)
    resumed = runs.train(whole, "schedule.length.steps=20", *wider)
    assert "weights of another model" in _error(resumed)


@pytest.mark.long
def test_a_run_goes_on_with_other_processes_and_another_stage(runs: Runs, whole: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    assert _interrupt(runs.start(run, launcher=_held(3)), 3, signal.SIGTERM) == 75
    done = runs.train(run, "engine.zero_stage=2", ranks=2)
    assert done.returncode == 0, done.stderr
    assert f"steps 3 to {STEPS}, 2 process(es)" in done.stderr
    _assert_nearly_the_same(run, whole)
    facts = json.loads((run / "accounting.json").read_text())
    assert facts == {**ACCOUNTING, "since_step": 3, "planned": 104, "delivered": 104}


@pytest.mark.long
def test_saving_in_the_background_on_two_processes_changes_nothing(runs: Runs, whole: Path, tmp_path: Path) -> None:
    run, options = tmp_path / "run", ("checkpoint.in_background=true", "checkpoint.every_steps=2")
    done = runs.train(run, *options, "checkpoint.keep_every_steps=6", ranks=2)
    assert done.returncode == 0, done.stderr
    _assert_nearly_the_same(run, whole)
    kept = sorted(path.name for path in (run / "checkpoints").iterdir() if "step" in path.name)
    assert kept == ["step-000006", "step-000012", "step-000014", "step-000016"]
    found = resume_point(run)
    assert found is not None and found.step == STEPS and found.files is not None
    assert set(found.files) == {"model.safetensors", *(f"state/rank-0000{rank}.safetensors" for rank in (0, 1))}


@pytest.mark.long
def test_a_damaged_checkpoint_costs_the_steps_since_the_one_before(runs: Runs, whole: Path, tmp_path: Path) -> None:
    run = Path(shutil.copytree(whole, tmp_path / "run"))
    assert [path.name for path in (run / "checkpoints").glob("step-*")] == [f"step-{STEPS:06d}"]
    refused = _damage(run, STEPS)
    done = runs.train(run)
    assert f"{refused}: not readable: is not what was saved" in _error(done)
    run = tmp_path / "other"
    option = "checkpoint.every_steps=8"
    assert runs.train(run, option).returncode == 0
    refused = _damage(run, STEPS)
    done = runs.train(run, option)
    assert done.returncode == 0, done.stderr
    (said,) = [line for line in done.stderr.splitlines() if "not readable" in line]
    assert str(refused) in said and said.endswith("going on from step-000008, the newest one before it that is whole")
    assert curve(run) == curve(whole)


def _damage(run: Path, step: int) -> Path:
    """Change a bit of the weights of a checkpoint; returns the file."""
    file = run / "checkpoints" / f"step-{step:06d}" / "model.safetensors"
    data = bytearray(file.read_bytes())
    data[-1] ^= 1
    file.write_bytes(data)
    return file


@pytest.mark.long
def test_a_second_run_in_the_folder_says_who_holds_it(runs: Runs, tmp_path: Path) -> None:
    run = tmp_path / "run"
    first = runs.start(run, launcher=_held(3))
    assert first.stderr is not None
    for line in first.stderr:
        if line.startswith("step 3/"):
            break
    refused = _error(runs.train(run))
    assert f"{run}: the run of host " in refused and f"pid {first.pid}, since " in refused
    first.send_signal(signal.SIGTERM)
    first.communicate(timeout=300)
    assert first.returncode == 75 and not (run / "lock").exists()
