"""docs/lavender.md is true: its commands work as written, from published files over the corpus to scores.

The shards are made by the commands of docs/datasets.md. Only sizes are changed, by what is added to a command: a tiny
model, two steps, few rows.
"""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.end_to_end.small_runs import call, lines
from tests.end_to_end.whole_page import Done, config_of, run_page, shrunk, write_captioned, write_questions
from tests.guide import commands, options
from tests.small_configs import ROOT

pytestmark = [pytest.mark.long, pytest.mark.timeout(1800)]
ELSEWHERE = ("configs/lavender/demo.yaml", "configs/lavender/multi_task")
"""Configs that are not run here: one is small already, and others train several of these uses in one run."""
GUIDE = [
    line
    for line in commands((ROOT / "docs/lavender.md").read_text())
    if "--config" in line and not any(name in line for name in ELSEWHERE)
]
TRAINED = [line for line in GUIDE if "train.py" in line]
SCORED = [line for line in GUIDE if "-m mcg.evaluate" in line]
FEW = {"train": 8, "train_7k": 6, "train_9k": 6, "val": 4, "test": 4, "test_1k": 4}
"""Rows of a split that are built."""


def label(command: str) -> str:
    """A command in short: which config, and what is added to it."""
    config, *more = shlex.split(command.partition("--config ")[2], comments=True)
    return " ".join([Path(config).stem, *(word.rpartition("/")[2] for word in more if not word.startswith("--"))])


def results(command: str) -> str:
    """The folder of the results of a command that scores."""
    words = command.split()
    return options(command).get("out") or f"{config_of(words).run_dir}/evaluation/test"


@pytest.fixture(scope="module")
def done(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Done]:
    """All commands of the page, one after the other."""
    folder = tmp_path_factory.mktemp("lavender")
    write_captioned(corpus, folder / "raw")
    write_questions(corpus, folder / "raw")
    yield run_page(GUIDE, folder, FEW, lambda words: shrunk(words, num_frames=2))


@pytest.mark.parametrize("command", TRAINED, ids=label)
def test_every_benchmark_trains_from_pre_training(done: Done, command: str) -> None:
    run = done.folder / config_of(command.split()).run_dir
    losses = [line["losses"] for line in lines(run) if "losses" in line]
    assert len(losses) == 2 and all(value > 0 for step in losses for value in step.values())


@pytest.mark.parametrize("command", SCORED, ids=label)
def test_every_benchmark_is_scored(done: Done, command: str) -> None:
    config, scores = config_of(command.split()), done.scores(results(command))
    assert scores["num_failed"] == 0 and scores["num_scored"] > 0
    CHECKS[config.task.name](scores)
    assert json.loads((done.folder / results(command) / "submission.json").read_text())


def _check_retrieval(scores: dict[str, Any]) -> None:
    assert scores["ranking"] == "matching" and "by_contrast" not in scores["text_to_video"]
    assert {"R1", "R5", "R10", "median_place"} <= set(scores["text_to_video"])


def _check_choices(scores: dict[str, Any]) -> None:
    assert scores["baseline"]["overall"] == 0.2 and 0 <= scores["accuracy"]["overall"] <= 1


def _check_answers(scores: dict[str, Any]) -> None:
    assert 0 <= scores["accuracy"]["overall"] <= 1
    if set(scores["reach"]) == {"list"}:  # heads by task
        assert scores["reach"]["list"] > 0
        return
    assert scores["reach"]["vocabulary"] > 0
    assert ("open_vocabulary" in scores) == ("list" in scores["reach"])


def _check_captions(scores: dict[str, Any]) -> None:
    assert ("CIDEr" in scores) != ("captions" in scores.get("absent", {})), "scored, or said why not"
    assert scores["unfinished"] >= 0 and scores["num_without_references"] == 0


CHECKS = {
    "retrieval": _check_retrieval,
    "multiple_choice": _check_choices,
    "open_qa": _check_answers,
    "captioning": _check_captions,
}
"""By the name of the task."""


def test_a_command_trains_in_a_process_of_its_own(done: Done) -> None:
    words = shlex.split(TRAINED[-1], comments=True)[1:]
    told = call([sys.executable, *words, *shrunk(words, 2), "run_dir=runs/alone"], home=done.folder)
    assert told.returncode == 0, told.stderr
    assert [line["step"] for line in lines(done.folder / "runs/alone") if "losses" in line] == [1, 2]


def test_every_config_is_trained_or_scored_by_a_command_of_the_page() -> None:
    named = {options(command)["config"] for command in GUIDE}
    known = {str(path.relative_to(ROOT)) for path in (ROOT / "configs/lavender").glob("*.yaml")}
    assert {name for name in known if not name.startswith(ELSEWHERE)} == named
