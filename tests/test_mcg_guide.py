"""docs/mcg.md, and docs/datasets.md as far as configs need it, are true: commands are understood as written."""

from __future__ import annotations

import inspect
import re
import shlex
from pathlib import Path

import pytest

from mcg.config import load_config
from tests.guide import commands, options
from tools.datasets import find_dataset

ROOT = Path(__file__).resolve().parents[1]
DATASETS = (ROOT / "docs" / "datasets.md").read_text()
PRETRAINING, QUESTIONS = (
    DATASETS.split(f"\n## {title}\n")[1].split("\n## ")[0] for title in ("Pre-training", "Questions")
)
GUIDE = (ROOT / "docs" / "mcg.md").read_text() + PRETRAINING[: PRETRAINING.index("\n```\n") + 5] + QUESTIONS
SYSTEMS = "".join((ROOT / "docs" / f"{name}.md").read_text() for name in ("alpro", "lavender", "t2vlp"))
CONVERTED = "runs/alpro/released"


COMMANDS = commands(GUIDE)


@pytest.mark.parametrize("command", [c for c in COMMANDS if "-m tools build" in c])
def test_a_dataset_is_built_where_a_config_looks_for_it(command: str) -> None:
    words = shlex.split(command)
    assert words[:4] == ["python", "-m", "tools", "build"]
    name, rows = find_dataset(words[4])
    given = options(command)
    out = given.pop("out")
    parameters = inspect.signature(rows).parameters
    assert set(given) <= set(parameters)
    assert {n for n, p in parameters.items() if p.default is p.empty} <= set(given)
    paths = re.findall(r"\$\{vars\.data\}/([\w/]+)", "".join(p.read_text() for p in (ROOT / "configs").rglob("*.yaml")))
    assert out.removeprefix("data/") in paths and name in out


def test_every_dataset_of_a_config_has_its_command() -> None:
    built = {options(command).get("out") for command in commands(GUIDE + DATASETS)}
    for path in (ROOT / "configs").rglob("*.yaml"):
        if "demo" in (*path.parts, path.stem):  # python -m mcg.demo builds what these read
            continue
        for config in load_config(path).alone.values():
            for loader in (config.data.train, config.data.val, config.data.test):
                assert loader is None or {dataset.path for dataset in loader.blend} <= built, path
                lists = {file for dataset in (loader.blend if loader is not None else ()) for file in dataset.exclude}
                assert {str(Path(file).parent) for file in lists} <= built, path


@pytest.mark.parametrize("command", [c for c in COMMANDS if "--config" in c])
def test_a_run_names_a_config_and_its_own_folder(command: str) -> None:
    given = options(command)
    words = shlex.split(command)
    overrides = [word for word in words if re.match(r"[\w.]+=", word)]
    config = load_config(ROOT / given["config"], overrides)
    assert given.get("checkpoint", config.run_dir) in (config.run_dir, CONVERTED)


def test_every_file_that_a_config_needs_has_its_place() -> None:
    placed = {f"{words[2]}{Path(words[1]).name}" for words in map(str.split, COMMANDS) if words[0] == "cp"}
    placed |= {options(command)["out"] for command in COMMANDS if "-m tools build" in command}
    for path in (ROOT / "configs").rglob("*.yaml"):
        config = load_config(path)
        assert [source.path for source in config.init if f"`{source.path}`" not in GUIDE + SYSTEMS] == [], path
        for own in config.alone.values():
            answers = getattr(own.task, "answer_list", None)
            assert answers is None or answers in placed, path


def test_every_config_is_mentioned() -> None:
    names = {str(path.relative_to(ROOT / "configs").with_suffix("")) for path in (ROOT / "configs").rglob("*.yaml")}
    assert [name for name in names if not name.startswith("demo/") and name not in GUIDE + SYSTEMS] == []
