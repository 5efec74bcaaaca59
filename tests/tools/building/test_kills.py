"""Builds that are killed with -9 again and again give the bytes of one run: on disk, to S3, and by Ray.

MCG_KILLS=20 python -m pytest -m long tests/tools/building/test_kills.py
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import psutil
import pytest

from shards.order import rng
from shards.storage import open_source
from tests.servers.s3 import S3Server
from tests.tools.building.test_build import files
from tests.tools.commands.command_line import ROOT

KILLS = int(os.environ.get("MCG_KILLS", "3"))
ROWS = 8 * KILLS
pytestmark = pytest.mark.timeout(300 + 60 * KILLS)
LONGEST = 0.5
"""Seconds after the first sign of work until the kill, at most."""


@pytest.fixture
def words(samples: Path, tmp_path: Path) -> list[str]:
    """A build of pictures, each a shard of its own, so that there is much to be killed at."""
    pictures = sorted((samples / "images").glob("*.jpg"))
    (tmp_path / "media").mkdir()
    lines = ["videoid,contentUrl,name"]
    for row in range(ROWS):
        (tmp_path / f"media/{row}.mp4").symlink_to(pictures[row % len(pictures)])
        lines.append(f"{row},{row}.mp4,picture {row}")
    (tmp_path / "rows.csv").write_text("\n".join(lines) + "\n")
    given = ["--annotations", str(tmp_path / "rows.csv"), "--media", str(tmp_path / "media")]
    return ["build", "webvid", *given, "--no-facts", "--samples-per-shard", "1", "--out"]


def start(words: Sequence[str]) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "tools", *words]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def killed_and_finished(words: Sequence[str], kill: Callable[[subprocess.Popen[bytes]], None]) -> int:
    """Run a command to its end, killed at KILLS moments; returns how many of the kills met it at work."""
    met = 0
    for number in range(KILLS):
        process = start(words)
        assert process.stderr is not None
        process.stderr.readline()  # the cost, just before the work begins
        delay = rng(0, "kills", 0, "", "", number, 0, "moment").random() * LONGEST
        try:
            process.wait(delay)
        except subprocess.TimeoutExpired:
            kill(process)
            met += 1
        process.communicate(timeout=250)
    process = start(words)
    _, said = process.communicate(timeout=250)
    assert process.returncode == 0, said.decode()
    return met


def kill_it(process: subprocess.Popen[bytes]) -> None:
    process.kill()


@pytest.fixture
def whole(words: list[str], tmp_path: Path) -> dict[str, bytes]:
    out = tmp_path / "whole"
    assert start([*words, str(out)]).wait(250) == 0
    return files(out)


@pytest.mark.long
def test_on_disk(words: list[str], whole: dict[str, bytes], tmp_path: Path) -> None:
    assert killed_and_finished([*words, str(tmp_path / "out")], kill_it)
    assert files(tmp_path / "out") == whole


@pytest.mark.long
def test_to_s3(
    words: list[str], whole: dict[str, bytes], s3_server: S3Server, use_s3: Callable[..., None], tmp_path: Path
) -> None:
    use_s3(s3_server)
    out = f"s3://{s3_server.bucket}/{tmp_path.name}"
    assert killed_and_finished([*words, out], kill_it)
    source = open_source(out)
    assert {name: source.read(name) for name in source.list()} == whole


def workers(address: str) -> list[psutil.Process]:
    """The processes in which a cluster runs our tasks now."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, IndexError):
            raylet = process.parent()
            if process.cmdline()[0].startswith("ray::_run") and raylet is not None:
                port = address.rpartition(":")[2]
                if any(word.startswith("--gcs-address=") and word.endswith(f":{port}") for word in raylet.cmdline()):
                    found.append(process)
    return found


@pytest.mark.long
def test_by_ray_where_drivers_and_workers_are_killed(
    words: list[str], whole: dict[str, bytes], ray_address: str, tmp_path: Path
) -> None:
    turns = iter(range(KILLS))

    def kill(process: subprocess.Popen[bytes]) -> None:
        if next(turns) % 2 == 0:
            process.kill()
            return
        for worker in workers(ray_address):
            worker.kill()
        _, said = process.communicate(timeout=250)
        assert process.returncode == 0, f"a build outlives its workers: {said.decode()}"

    ray = ["--engine", "ray", "--address", ray_address]
    assert killed_and_finished([*words, str(tmp_path / "out"), *ray], kill)
    assert files(tmp_path / "out") == whole
