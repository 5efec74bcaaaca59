"""On a Ray cluster an index is the same to the byte as on one machine, also after the driver was killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from shards.cli.app import app
from shards.dataset.indexing.indexer import index_tars
from tests.servers.ray import ray_head, ray_node
from tests.shards.dataset.indexing.indexed import MEDIA
from tests.shards.foreign_tars import img2dataset_files, write_tar

pytestmark = pytest.mark.long
ROOT = Path(__file__).resolve().parents[4]
FILES = ("index.parquet", "shards.parquet", "quarantine.jsonl")
KILLED = """
import os, signal, sys
from shards.base.ray_engine import ray_cluster
from shards.dataset.indexing.indexer import index_tars
from shards.dataset.tars.looks import Looks

def kill(step):
    if step.tars == 3:
        os.kill(os.getpid(), signal.SIGKILL)

with ray_cluster(sys.argv[3]) as engine:
    index_tars(sys.argv[1], sys.argv[2], "one", Looks(media=True), on_tar=kill, engine=engine)
"""


@pytest.fixture(scope="module")
def one_cpu() -> Iterator[str]:
    """The address of a cluster of one CPU."""
    with ray_head(num_cpus=1) as address:
        yield address


def test_one_and_two_workers_and_processes_make_the_same_index_after_kills(tmp_path: Path, one_cpu: str) -> None:
    tars = tmp_path / "cc"
    for shard in range(6):
        files = [*img2dataset_files([f"{key:03d}" for key in range(1 + shard)]), ("odd", b"x")]
        write_tar(tars / f"{shard}.tar", files)
    (tars / "6.tar").write_bytes(b"no tar" * 1000)
    expected = index_tars(str(tars), str(tmp_path / "here"), "one", MEDIA, jobs=2)
    run = ["index", str(tars), "--name", "one", "--engine", "ray", "--address", one_cpu, "--json", "--out"]

    def check(out: str) -> None:
        for name in FILES:
            assert (tmp_path / out / name).read_bytes() == (tmp_path / "here" / name).read_bytes(), (out, name)

    done = CliRunner().invoke(app, [*run, str(tmp_path / "one")])
    assert done.exit_code == 1 and "6.tar: byte 0: not a tar header" in done.stderr, done.output
    check("one")
    with ray_node(one_cpu):
        done = CliRunner().invoke(app, [*run, str(tmp_path / "two")])
        assert done.exit_code == 1 and "6.tar: byte 0: not a tar header" in done.stderr, done.output
        check("two")
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        words = [sys.executable, "-c", KILLED, str(tars), str(tmp_path / "killed"), one_cpu]
        killed = subprocess.run(words, env=environment, capture_output=True, text=True, timeout=250)
        assert killed.returncode == -signal.SIGKILL, killed.stderr
        num_left = expected.num_shards - len(list((tmp_path / "killed" / "unfinished").glob("*.arrow")))
        assert num_left <= 4
        report = index_tars(str(tars), str(tmp_path / "killed"), "one", MEDIA)
        assert report.num_scanned == num_left and list(report.damaged) == ["6.tar"]
        check("killed")
