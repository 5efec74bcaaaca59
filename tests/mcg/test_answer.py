"""The command `python -m mcg.answer`: names for programs, and mistakes that are told before torch is loaded."""

from __future__ import annotations

from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

import mcg.answer
from mcg.answering.answerer import Answerer, Candidate


def test_programs_import_from_it_what_answers() -> None:
    assert (mcg.answer.Answerer, mcg.answer.Candidate) == (Answerer, Candidate)
    with pytest.raises(AttributeError, match=r"module 'mcg\.answer' has no attribute 'Question'"):
        mcg.answer.Question  # noqa: B018


def test_a_folder_without_a_checkpoint_is_named(tmp_path: Path) -> None:
    app = typer.Typer()
    app.command()(mcg.answer.main)
    words = ["--checkpoint", str(tmp_path), "--video", "a.mp4", "--question", "why?"]
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 1 and f"{tmp_path}: no checkpoint there" in done.stderr
