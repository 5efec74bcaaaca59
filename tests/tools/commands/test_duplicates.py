"""`python -m tools duplicates`: its result, in processes, and its exit codes."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from shards.base.engines import threads
from tests.tools.commands.command_line import ROOT, command, invoke
from tests.tools.duplicates.conftest import COPIES, clip, video, write
from tools.duplicates.find import find_duplicates


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Path:
    media = {"a": video(clip(1)), "b": COPIES["mirrored"](clip(1)), "c": video(clip(2)), "d": video(clip(3))}
    return write(tmp_path_factory.mktemp("pair") / "pair", media)


@pytest.mark.long
def test_processes_find_the_pair_and_fail_says_so(pair: Path, tmp_path: Path) -> None:
    done = command("duplicates", pair, "--out", tmp_path, "--jobs", "1", "--json", "--fail")
    assert done.returncode == 1, done.stderr
    found = json.loads(done.stdout)
    assert (found["pairs"], found["groups"], found["excluded"], found["pages"]) == ({"near": 1}, 1, 1, 1)
    again = invoke("duplicates", pair, "--out", tmp_path, "--jobs", "1")
    assert again.exit_code == 0
    assert "pairs, near" in again.stdout


@pytest.mark.long
def test_killed_and_started_again_it_finds_the_same(pair: Path, tmp_path: Path) -> None:
    words = [sys.executable, "-m", "tools", "duplicates", str(pair), "--out", str(tmp_path / "killed"), "--jobs", "1"]
    process = subprocess.Popen(words, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    while not list((tmp_path / "killed/hashes").glob("*.parts/*")) and process.poll() is None:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    for name in ("killed", "whole"):
        find_duplicates([str(pair)], tmp_path / name, engine=threads(1))
    for name in ("exclude.jsonl", "pairs.parquet", "report.html"):
        assert (tmp_path / "killed" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def test_mistakes_are_told_in_one_line(pair: Path, tmp_path: Path) -> None:
    nothing = invoke("duplicates", tmp_path / "no", "--out", tmp_path / "out")
    assert nothing.exit_code == 2, nothing.output
    assert nothing.stderr.count("\n") == 1
    twice = invoke("duplicates", pair, pair, "--out", tmp_path / "out")
    assert twice.exit_code == 2
    assert "NAME=PATH" in twice.stderr
    assert invoke("duplicates", "--out", tmp_path).exit_code == 2
