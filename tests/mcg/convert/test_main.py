"""python -m mcg.convert as a user runs it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
import typer
from typer.testing import CliRunner, Result

from mcg.convert.__main__ import main
from tests.mcg.convert import layouts
from tests.mcg.convert.layouts import SMALL, draw

app = typer.Typer()
app.command()(main)


def _run(*words: str | Path) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words])


@pytest.fixture
def file(tmp_path: Path) -> Path:
    torch.save(draw(layouts.alpro_qa(SMALL, classes=7)), tmp_path / "released.pt")
    return tmp_path / "released.pt"


def test_a_checkpoint_is_converted_and_its_keys_are_told(tmp_path: Path, file: Path) -> None:
    done = _run(file, tmp_path / "out")
    assert done.exit_code == 0, done.output
    assert "ALPRO: " in done.stdout and "0 unexpected" in done.stdout and "classifier.0.bias" in done.stdout
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        "model.safetensors",
        "checkpoint.json",
        "conversion.json",
    }
    told = json.loads(_run(file, tmp_path / "again", "--json").stdout)
    assert told["kind"] == "alpro" and len(told["keys"]) == sum(told["counts"].values())


def test_strict_unless_told_otherwise(tmp_path: Path, file: Path) -> None:
    torch.save(torch.load(file) | {"strange": torch.ones(1)}, file)
    done = _run(file, tmp_path / "out")
    assert done.exit_code == 1 and "strange is unexpected" in done.stderr and not (tmp_path / "out").exists()
    assert _run(file, tmp_path / "out", "--lenient").exit_code == 0


def test_a_config_names_the_model_and_sizes_that_do_not_fit(tmp_path: Path, file: Path) -> None:
    done = _run(file, tmp_path / "out", "--config", "configs/demo/ft_qa.yaml")
    assert done.exit_code == 1 and "released.pt: a checkpoint of width 64, and model.vision.width is 128" in done.stderr


def test_words_that_say_nothing_are_refused(tmp_path: Path, file: Path) -> None:
    assert "--kind 'bret': choose auto or one of mcg," in _run(file, tmp_path / "out", "--kind", "bret").stderr
    assert "overrides need --config" in _run(file, tmp_path / "out", "a.b=c").stderr
    assert "known names: " in _run("nope", tmp_path / "out").stderr
