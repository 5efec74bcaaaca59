"""The command `python -m mcg.search`: tables and JSON, and mistakes that are told before torch is loaded."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
import typer
from click.testing import Result
from typer.testing import CliRunner

import mcg.search
from mcg.searching.searcher import Hit, Searcher
from tests.mcg.small_checkpoint import run_config, write_checkpoint

VIDEO = Path(__file__).resolve().parents[2] / "samples" / "videos" / "bbb_tree.mp4"


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
