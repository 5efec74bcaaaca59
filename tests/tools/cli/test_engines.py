"""The engine of a command: threads of this machine or a Ray cluster, with the same bytes, also after kills."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from shards.base import ClusterError
from tests.tools.building.test_build import files
from tests.tools.commands.command_line import CHEAP, ROOT, command, invoke
from tools.cli.engines import chosen_engine
from tools.rows import OptionError


def test_options_that_do_not_fit_each_other_are_refused(clips: list[str], tmp_path: Path) -> None:
    for words, told in (
        (["--engine", "slurm"], "--engine slurm: no such engine; use threads or ray"),
        (["--address", "host:1"], "--address host:1: only Ray has one; add --engine ray, or leave it out"),
        (["--engine", "ray", "--threads", "2"], "--threads is for this machine; a Ray cluster has as many workers"),
        (["--engine", "ray", "--address", "nowhere"], "Ray at 'nowhere': no address of a cluster; give HOST:PORT"),
    ):
        found = invoke("build", *clips, "--out", tmp_path / "out", *words)
        assert found.exit_code == 2 and told in found.stderr.splitlines()[-1], found.output
    with pytest.raises(OptionError, match="no such engine"):
        chosen_engine("dask", None, None).__enter__()
    assert not (tmp_path / "out").exists()


def test_a_cluster_that_does_not_answer_leaves_nothing_behind(clips: list[str], tmp_path: Path) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{unused.getsockname()[1]}"
        found = invoke("build", *clips, "--out", tmp_path / "out", "--engine", "ray", "--address", address)
        with pytest.raises(ClusterError, match="no connection"):
            chosen_engine("ray", address, None).__enter__()
    assert found.exit_code == 1 and found.stderr.splitlines()[-1].startswith(f"error: Ray at {address}: no connection")
    assert not (tmp_path / "out").exists()


@pytest.mark.long
def test_a_build_by_ray_is_that_of_one_machine_also_when_it_is_killed(
    clips: list[str], ray_address: str, tmp_path: Path
) -> None:
    out, whole = tmp_path / "out", tmp_path / "whole"
    shared = [*clips, "--samples-per-shard", "2"]
    assert invoke("build", *shared, "--out", whole).exit_code == 0
    ray = ["--engine", "ray", "--address", ray_address]
    words = [sys.executable, "-m", "tools", "build", *shared, "--out", str(out), *ray]
    process = subprocess.Popen(words, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while process.poll() is None and not (out / "000001.tar").exists():
        psutil.Process(process.pid).cpu_times()
    process.kill()
    process.wait()
    done = command("build", *shared, "--out", out, *ray, "--json")
    assert (done.returncode, done.stdout.count("\n")) == (0, 1), done.stderr
    assert files(out) == files(whole)


@pytest.mark.long
def test_transcoding_by_ray_is_that_of_one_machine(built: Path, ray_address: str, tmp_path: Path) -> None:
    out, whole = tmp_path / "out", tmp_path / "whole"
    assert invoke("transcode", built, whole, *CHEAP, "--compare", "0").exit_code == 0
    done = command("transcode", built, out, *CHEAP, "--compare", "0", "--engine", "ray", "--address", ray_address)
    assert done.returncode == 0, done.stderr
    assert files(out) == files(whole) and os.listdir(out)
