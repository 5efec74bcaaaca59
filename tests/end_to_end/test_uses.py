"""Several uses in one run: the same curve as without them where there is one, and a curve that goes on where there are
two, on any number of ranks."""

from __future__ import annotations

import json
import signal
import subprocess
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml

from mcg.engine.checkpoint import best_checkpoint, find_checkpoint
from tests.end_to_end.in_turn import call_all
from tests.end_to_end.small_runs import (
    PRETRAIN,
    PYTHON,
    QUESTIONS,
    ROOT,
    Runs,
    curve,
    environment,
    lines,
)

pytestmark = [pytest.mark.long, pytest.mark.timeout(600)]


def _use(text: str, **fields: Any) -> dict[str, Any]:
    tree = yaml.safe_load(text)
    splits = {split: tree["data"][split] for split in ("train", "val", "test") if split in tree["data"]}
    return {"task": tree["task"], "objectives": tree["objectives"], **splits, **fields}


def write_config(file: Path, uses: dict[str, Any], **fields: Any) -> Path:
    whole = yaml.safe_load(PRETRAIN)
    kept = {name: value for name, value in whole.items() if name not in ("task", "objectives", "data")}
    file.write_text(yaml.safe_dump({**kept, "uses": uses, **fields}))
    return file


def two_uses(file: Path, **fields: Any) -> Path:
    """Captions two steps in three, questions one, with batches of another size and a dataset of the same name."""
    qa = _use(QUESTIONS)
    qa["train"] = {**qa["train"], "batch_size": 4}
    captions = _use(PRETRAIN, weight=2)
    return write_config(file, {"captions": captions, "qa": qa}, leaks="accepted", **fields)


@pytest.fixture(scope="module")
def configs(runs: Runs) -> Runs:
    write_config(runs.configs / "one_use.yaml", {"captions": _use(PRETRAIN)})
    two_uses(runs.configs / "two_uses.yaml")
    return runs


TOGETHER = {
    "plain": ("pretrain", "schedule.length.steps=6"),
    "one use": ("one_use", "schedule.length.steps=6"),
    "two": ("two_uses", "checkpoint.every_steps=4"),
    "accumulated": ("two_uses", "engine.accumulation_steps=2", "schedule.length.steps=6"),
    "stage 0": ("two_uses", "engine.zero_stage=0"),
    "stage 2": ("two_uses", "engine.zero_stage=2"),
    "by size": ("two_uses", "sampling=size", "uses.captions.weight=1", "schedule.length.steps=4", "uses.qa.val=null"),
}


@pytest.fixture(scope="module")
def together(configs: Runs, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("uses")
    commands = [
        ["train.py", *configs.command(folder / name, *options, config=config)]
        for name, (config, *options) in TOGETHER.items()
    ]
    scored = ["-m", "mcg.evaluate", "--checkpoint", str(folder / "two")]
    commands.append([*scored, "--use", "qa", *configs.command(folder / "two", config="two_uses")])
    commands.append([*scored, *configs.command(folder / "two", config="two_uses")])
    *done, alone = call_all(commands)
    for each in done:
        assert each.returncode == 0, each.stderr
    (folder / "two.stderr").write_text(done[2].stderr)
    (folder / "size.stderr").write_text(done[6].stderr)
    assert alone.returncode == 2 and "several uses: say --use, choose from captions, qa" in alone.stderr
    return folder


def uses_of(run: Path) -> list[str]:
    return [line["use"] for line in lines(run) if "losses" in line]


def _nearly_equal(run: Path, other: Path) -> None:
    for found, expected in zip(curve(run), curve(other), strict=True):
        assert dict(found) == pytest.approx(dict(expected), rel=1e-3), (run, other)


def test_one_use_gives_the_losses_of_the_plain_form_to_the_bit(together: Path) -> None:
    assert curve(together / "one use") == curve(together / "plain")
    plain, named = (find_checkpoint(together / name) for name in ("plain", "one use"))
    assert plain.cursor == named.cursor
    scores = json.loads((together / "one use/evaluation/val/captions/metrics.json").read_text())
    assert scores == json.loads((together / "plain/evaluation/val/metrics.json").read_text())


def test_each_step_is_of_one_use_by_exact_quotas(together: Path) -> None:
    steps = [line for line in lines(together / "two") if "losses" in line]
    assert Counter(uses_of(together / "two")) == {"captions": 11, "qa": 5}
    for step in steps:
        is_qa = step["use"] == "qa"
        assert step["dataset"] == ("qa.shapes" if is_qa else "captions.shapes")
        assert step["elements"] == (4 if is_qa else 8)
        assert ("contrastive" in step["losses"]) is not is_qa and step["losses"]["gradient_norm"] > 0
    told = (together / "two.stderr").read_text()
    assert "qa: total " in told and "captions: gradient_norm " in told and "samples of qa 4" in told


def test_a_step_of_several_batches_is_of_one_use(together: Path) -> None:
    assert uses_of(together / "accumulated") == uses_of(together / "two")[:6]
    elements = [line["elements"] for line in lines(together / "accumulated") if "losses" in line]
    assert set(elements) == {8, 16}


def test_each_use_is_scored_and_the_best_is_by_the_mean_of_those_with_a_val(together: Path) -> None:
    scores = [line for line in lines(together / "two") if "metrics" in line]
    assert [line.get("use") for line in scores] == ["captions"]
    told = (together / "two.stderr").read_text()
    assert "not scored on the way, for they have no val: qa" in told and "val of captions at step 16" in told
    assert (together / "two/evaluation/val/captions/metrics.json").is_file()
    assert json.loads((together / "two/evaluation/test/qa/metrics.json").read_text())["num_scored"] == 48
    best = best_checkpoint(together / "two")
    assert best is not None and best.scored is not None and best.scored[0].startswith("captions: ")


def test_size_makes_all_make_as_many_passes(together: Path) -> None:
    """60 captions in batches of 8, 48 questions in batches of 4: 7.5 steps a pass and 12."""
    cursor = find_checkpoint(together / "by size").cursor
    captions, questions = cursor["weights"]
    assert captions / questions == pytest.approx(7.5 / 12, abs=0.002)
    assert cursor["batch_sizes"] == [8, 4]


@pytest.mark.parametrize("stage", [0, 2])
def test_every_zero_stage_gives_the_same_losses(together: Path, stage: int) -> None:
    _nearly_equal(together / f"stage {stage}", together / "two")


def test_a_killed_run_goes_on_with_the_same_losses(configs: Runs, together: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    words = configs.command(run, "checkpoint.every_steps=4", config="two_uses")
    held = [*PYTHON, "-m", "tests.end_to_end.held_run", "6", "train.py", *words]
    process = subprocess.Popen(held, cwd=ROOT, env=environment(), stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    for line in process.stderr:
        if line.startswith("step 6/"):
            process.send_signal(signal.SIGKILL)
            break
    process.communicate(timeout=300)
    assert process.returncode == -signal.SIGKILL and find_checkpoint(run).step == 4
    done = configs.train(run, "checkpoint.every_steps=4", config="two_uses")
    assert done.returncode == 0, done.stderr
    assert curve(run) == curve(together / "two") and uses_of(run) == uses_of(together / "two")


@pytest.mark.parametrize("stage", [0, 1, 2])
def test_two_ranks_take_the_uses_in_the_same_order(configs: Runs, together: Path, tmp_path: Path, stage: int) -> None:
    done = configs.train(tmp_path / "run", f"engine.zero_stage={stage}", config="two_uses", ranks=2)
    assert done.returncode == 0, done.stderr
    assert uses_of(tmp_path / "run") == uses_of(together / "two")
    _nearly_equal(tmp_path / "run", together / "two")


def test_a_batch_that_the_ranks_do_not_divide_is_named_by_its_use(configs: Runs, tmp_path: Path) -> None:
    done = configs.train(tmp_path / "run", "uses.qa.train.batch_size=3", config="two_uses", ranks=2)
    assert done.returncode != 0
    assert "uses.qa.train: batch_size 3 (global) does not divide among world_size 2 ranks" in done.stderr
