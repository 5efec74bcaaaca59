"""The command `python -m mcg.evaluate`: what is wrong ends in one line, before anything is loaded."""

from __future__ import annotations

from pathlib import Path

import typer
from typer.testing import CliRunner

from mcg.evaluate import main


def test_a_wrong_command_line_is_one_line_with_what_to_do(tmp_path: Path) -> None:
    app = typer.Typer()
    app.command()(main)
    words = ["--config", "configs/demo/ft_qa.yaml", "--checkpoint", str(tmp_path), "--split", "train"]
    done = CliRunner().invoke(app, words)
    assert (done.exit_code, done.stderr) == (2, "error: --split 'train': choose val or test\n")
