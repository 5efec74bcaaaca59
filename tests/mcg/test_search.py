"""The command `python -m mcg.search`: tables and JSON, and mistakes that are told before torch is loaded."""

from __future__ import annotations

import json
import shlex
import shutil
from pathlib import Path

import pytest
import torch
import typer
from click.testing import Result
from typer.testing import CliRunner

import mcg.search
from mcg.searching.searcher import Hit, Searcher
from tests.guide import commands, python_lines
from tests.mcg.small_checkpoint import run_config, write_checkpoint

ROOT = Path(__file__).resolve().parents[2]
VIDEO = ROOT / "samples" / "videos" / "bbb_tree.mp4"
README = (ROOT / "README.md").read_text()


def _search(*words: object) -> Result:
    app = typer.Typer(pretty_exceptions_enable=False)
    app.command()(mcg.search.main)
    return CliRunner().invoke(app, [str(word) for word in words])


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    task = {"name": "pretrain", "clip": {"num_frames": 2, "size": 32}}
    return write_checkpoint(run_config(tmp_path_factory.mktemp("search") / "run", task=task))


def test_programs_import_from_it_what_searches() -> None:
    assert (mcg.search.Searcher, mcg.search.Hit) == (Searcher, Hit)
    with pytest.raises(AttributeError, match=r"module 'mcg\.search' has no attribute 'Found'"):
        mcg.search.Found  # noqa: B018


def test_a_folder_is_searched_and_what_is_no_video_is_left_out(run: Path, tmp_path: Path) -> None:
    folder = tmp_path / "clips"
    folder.mkdir()
    shutil.copy(VIDEO, folder / "tree.mp4")
    (folder / "text.mp4").write_text("no video")
    words = ["--checkpoint", run, "--videos", folder, "--cache", tmp_path / "cache"]
    done = _search(*words, "--text", "a tree", "--text", "a dog", "--json")
    assert done.exit_code == 0, done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert [line["query"] for line in lines] == ["a tree", "a dog"]
    assert [[hit["name"] for hit in line["hits"]] for line in lines] == [["tree.mp4"], ["tree.mp4"]]
    assert "1 clips, 1 of them new" in done.stderr and "left out: text.mp4" in done.stderr
    again = _search(*words, "--text", "a tree")
    assert "0 of them new" in again.stderr and "tree.mp4" in again.stdout


def test_texts_are_ranked_for_one_clip(run: Path) -> None:
    done = _search("--checkpoint", run, "--video", VIDEO, "--text", "a tree", "--text", "a dog")
    assert done.exit_code == 0 and "a tree" in done.stdout and "a dog" in done.stdout


def test_mistakes_are_one_line(run: Path, tmp_path: Path) -> None:
    neither = _search("--checkpoint", run, "--text", "a")
    assert neither.exit_code == 2 and "give --videos to look for clips, or --video" in neither.stderr
    nothing = _search("--checkpoint", tmp_path, "--videos", tmp_path, "--text", "a")
    assert nothing.exit_code == 1 and f"{tmp_path}: no checkpoint there" in nothing.stderr


def test_the_readme_searches_as_it_says(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """By its command and by its lines of Python, with another model and three of the clips."""
    (tmp_path / "runs/demo").mkdir(parents=True)
    (tmp_path / "runs/demo/pt").symlink_to(run)
    (tmp_path / "samples/videos").mkdir(parents=True)
    for name in ("bbb_tree.mp4", "bbb_bird.mp4", "coin_pen.mov"):
        (tmp_path / "samples/videos" / name).symlink_to(VIDEO.parent / name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (command,) = (line for line in commands(README) if "mcg.search" in line)
    asked = shlex.split(command)
    assert asked[:3] == ["python", "-m", "mcg.search"]
    done = _search(*asked[3:], "--json")
    assert done.exit_code == 0, done.stderr
    by_command = [(hit["score"], hit["name"]) for hit in json.loads(done.stdout)["hits"]]
    assert len(by_command) == 3
    lines = python_lines(README, "mcg.search")
    exec(compile(lines, "README.md", "exec"), {})
    printed = [line.rsplit(" ", 1) for line in capsys.readouterr().out.splitlines()]
    assert [(float(score), name) for score, name in printed] == [(pytest.approx(s, abs=1e-5), n) for s, n in by_command]
    assert (tmp_path / "runs/search").is_dir()
