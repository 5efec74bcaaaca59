"""What every verb does alike: exit codes and one-line errors; shown with build."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.tools.commands.command_line import command, invoke
from tools.datasets import DATASETS
from tools.datasets.pretraining import webvid
from tools.rows import BadRow, Row


def test_a_process_reports_errors_by_exit_code_and_stderr(tmp_path: Path) -> None:
    unknown = command("build", "msrvttqa", "--out", tmp_path / "out")
    assert (unknown.returncode, unknown.stdout) == (2, "")
    assert unknown.stderr.startswith("error: no dataset is called 'msrvttqa'; did you mean 'msrvtt_qa'?")
    assert unknown.stderr.count("\n") == 1
    assert command("build", "webvid").returncode == 2, "wrong usage"


def test_debug_shows_the_traceback(tmp_path: Path) -> None:
    arguments = ["--annotations", tmp_path / "none.csv", "--media", tmp_path, "--out", tmp_path / "out"]
    result = invoke("build", "webvid", *arguments, "--debug")
    assert result.exit_code == 2 and "Traceback" in result.stderr
    assert result.stderr.splitlines()[-1] == f"error: {tmp_path}/none.csv: no such file; check --annotations"


def test_interrupting_says_how_to_go_on(monkeypatch: pytest.MonkeyPatch, clips: list[str], tmp_path: Path) -> None:
    def rows(annotations: Path, media: Path) -> Iterator[Row | BadRow]:
        yield from list(webvid.rows(annotations, media))[:8]
        raise KeyboardInterrupt

    monkeypatch.setitem(DATASETS, "webvid", rows)
    result = invoke("build", *clips, "--out", tmp_path / "out", "--samples-per-shard", "2")
    assert result.exit_code == 130
    assert "error: stopped; finished shards stay, the same command goes on after them" in result.stderr
    assert len(list((tmp_path / "out").glob("*.tar"))) == 2


def test_a_bug_is_called_a_bug(monkeypatch: pytest.MonkeyPatch, clips: list[str], tmp_path: Path) -> None:
    def rows(annotations: Path, media: Path) -> Iterator[Row]:
        raise ZeroDivisionError("oops")

    monkeypatch.setitem(DATASETS, "webvid", rows)
    result = invoke("build", *clips, "--out", tmp_path / "out")
    assert result.exit_code == 3 and "Traceback" in result.stderr
    assert result.stderr.splitlines()[-1].startswith("error: ZeroDivisionError: oops; this is a bug")
