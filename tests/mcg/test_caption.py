"""The command `python -m mcg.caption`: captions of files, folders and datasets, as a table and as JSON, and faults."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest
import torch
import typer
from click.testing import Result
from typer.testing import CliRunner

import mcg.caption
from mcg.answering.captioner import Captioned, Captioner
from tests.guide import commands, python_lines
from tests.mcg.answering.small_captioner import ROOT, VIDEO, write_captioner
from tests.mcg.small_checkpoint import run_config, write_checkpoint


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_captioner(tmp_path_factory.mktemp("caption") / "run")


def _invoke(*words: object) -> Result:
    app = typer.Typer()
    app.command()(mcg.caption.main)
    return CliRunner().invoke(app, [*map(str, words), "--device", "cpu"], env={"COLUMNS": "160"})


def test_programs_import_from_it_what_captions() -> None:
    assert (mcg.caption.Captioner, mcg.caption.Captioned) == (Captioner, Captioned)
    with pytest.raises(AttributeError, match=r"module 'mcg\.caption' has no attribute 'Answerer'"):
        mcg.caption.Answerer  # noqa: B018


def test_a_table_and_json_say_the_same(run: Path) -> None:
    shown, told = (_invoke("--checkpoint", run, "--video", VIDEO, *more) for more in ((), ("--json",)))
    assert (shown.exit_code, told.exit_code) == (0, 0), shown.output + told.output
    line = json.loads(told.stdout)
    assert line["video"] == str(VIDEO) and len(line["captions"]) == 1
    assert line["captions"][0]["caption"].split()[0] in shown.stdout
    assert f"{line['captions'][0]['score']:.4f}" in shown.stdout


def test_a_video_that_cannot_be_used_is_told_and_the_others_are_captioned(run: Path, tmp_path: Path) -> None:
    (tmp_path / "torn\x1b[31m.mp4").write_bytes(VIDEO.read_bytes()[:500])
    (tmp_path / "whole.mp4").symlink_to(VIDEO)
    done = _invoke("--checkpoint", run, "--video", tmp_path, "--video", "nope.mp4", "--json")
    assert done.exit_code == 0
    assert [json.loads(line)["video"] for line in done.stdout.splitlines()] == ["whole.mp4"]
    told = done.stderr.splitlines()
    assert told[0].startswith("left out: torn") and "\x1b" not in done.stderr
    assert told[1] == "left out: nope.mp4: not readable: No such file or directory"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--video", "nope.mp4"), "error: nope.mp4: not readable: No such file or directory"),
        (("--video", VIDEO.parents[1] / "webvid"), "no videos or pictures below it"),
        (("--video", VIDEO, "--select", "first"), "first"),
        (("--video", VIDEO, "task.num_beams=2"), "overrides change the file of --config, and none is given"),
    ],
)
def test_a_mistake_is_one_line(run: Path, words: tuple[object, ...], told: str) -> None:
    done = _invoke("--checkpoint", run, *words)
    assert done.exit_code in (1, 2) and told in done.stderr and "Traceback" not in done.stderr


def test_the_readme_captions_as_it_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """By its command and by its lines of Python, with another model."""
    readme = (ROOT / "README.md").read_text()
    (tmp_path / "samples").symlink_to(ROOT / "samples")
    torch.manual_seed(0)
    task = {"name": "pretrain", "clip": {"num_frames": 2, "size": 32}, "max_text_tokens": 6}
    write_checkpoint(run_config(tmp_path / "runs/demo/pt", task=task))
    monkeypatch.chdir(tmp_path)
    (command,) = (line for line in commands(readme) if "mcg.caption " in line)
    asked = shlex.split(command)
    assert asked[:3] == ["python", "-m", "mcg.caption"]
    done = _invoke(*asked[3:], "--json")
    assert done.exit_code == 0, done.stderr
    exec(compile(python_lines(readme, "mcg.caption"), "README.md", "exec"), {})
    assert json.loads(done.stdout)["captions"][0]["caption"] == capsys.readouterr().out.strip()
