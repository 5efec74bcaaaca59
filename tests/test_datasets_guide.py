"""docs/datasets.md is true: its commands are understood, and a new user converts the samples and a corpus by them."""

from __future__ import annotations

import inspect
import json
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tests.guide import commands, options
from tests.tools.commands.command_line import invoke
from tools.datasets import DATASETS, find_dataset
from tools.trust.published import PUBLISHED

ROOT = Path(__file__).resolve().parents[1]
GUIDE = (ROOT / "docs" / "datasets.md").read_text()
CONTAINERS = (ROOT / "docs" / "containers.md").read_text()
FEW = 4
"""Rows of each annotation file of the corpus that are built here."""


def section(title: str) -> str:
    return GUIDE.split(f"\n## {title}\n")[1].split("\n## ")[0]


def built(command: str) -> tuple[str, dict[str, str]]:
    """(dataset, options) of a build."""
    words = shlex.split(command, comments=True)
    assert words[:4] == ["python", "-m", "tools", "build"]
    return words[4], options(command)


BUILDS = [command for command in commands(GUIDE) if "-m tools build" in command]


@pytest.mark.parametrize("command", BUILDS)
def test_a_command_gives_what_its_dataset_needs(command: str) -> None:
    name, given = built(command)
    given.pop("out")
    parameters = inspect.signature(find_dataset(name)[1]).parameters
    assert set(given) <= set(parameters)
    assert {n for n, p in parameters.items() if p.default is p.empty} <= set(given)


def test_every_dataset_has_its_command_and_its_line() -> None:
    told = {built(command)[0] for command in BUILDS}
    containers = {built(command)[0] for command in commands(CONTAINERS) if "-m tools build" in command}
    assert {*DATASETS} - {"shapes"} <= told | containers
    glance = section("Sets at a glance")
    assert [name for name in told if f"`{name}`" not in glance] == []


def test_published_counts_are_those_of_the_guide() -> None:
    text = GUIDE.replace(" ", "")
    told = [(name, split, count) for name, splits in PUBLISHED.items() for split, (_, count) in splits.items()]
    of_papers = {"activitynet_captions", "cc3m", "cc12m", "didemo"}  # some splits of these are in no table
    assert [one for one in told if one[0] not in of_papers and f"{one[2]:,}" not in text] == []


def run_here(command: str, folder: Path, monkeypatch: pytest.MonkeyPatch, corpus: Path | None = None) -> None:
    """Run a command of the guide in a folder where the samples lie."""
    monkeypatch.chdir(folder)
    words = shlex.split(command.replace("$CORPUS", str(corpus)), comments=True)
    if words[1] == "-c":
        subprocess.run([sys.executable, *words[1:]], check=True, cwd=folder, timeout=250)
    elif words[2] == "shards":
        subprocess.run([sys.executable, *words[1:]], check=True, cwd=folder, timeout=250, env=_environment())
    else:
        done = invoke(words[3], *words[4:])
        assert done.exit_code == 0, f"{command}\n{done.output}{done.stderr}"


def _environment() -> dict[str, str]:
    import os

    return {**os.environ, "PYTHONPATH": str(ROOT)}


@pytest.mark.long
def test_a_new_user_converts_checks_and_sees_the_samples(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "samples").symlink_to(ROOT / "samples")
    for command in commands(section("Five minutes with the samples")):
        run_here(command, tmp_path, monkeypatch)
    assert json.loads((tmp_path / "data/samples/webvid/dataset.json").read_text())["num_samples"] == 24
    assert (tmp_path / "data/samples/report/index.html").is_file()


@pytest.mark.long
def test_a_new_user_converts_a_corpus(tmp_path: Path, corpus: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for command in commands(section("A corpus of your own")):
        is_build = "-m tools build" in command
        run_here(f"{command} --limit {FEW}" if is_build else command, tmp_path, monkeypatch, corpus)
        if is_build:
            out = tmp_path / built(command)[1]["out"]
            assert json.loads((out / "dataset.json").read_text())["num_samples"] >= 1, command
