"""Several processes write the same index as one, and end with the run."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from shards.dataset.indexing.indexer import index_tars
from tests.shards.dataset.indexing.indexed import MEDIA

ROOT = Path(__file__).resolve().parents[4]
KILLED = """
import os, signal, sys
from shards.dataset.indexing.indexer import index_tars

def kill(step):
    if step.tars == 2:
        os.kill(os.getpid(), signal.SIGKILL)

index_tars(sys.argv[1], jobs=int(sys.argv[2]), on_tar=kill)
"""


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_killed_run_goes_on_with_the_shards_that_are_left_and_leaves_no_process(
    tars: Path, tmp_path: Path, jobs: int
) -> None:
    script = tmp_path / "run.py"
    script.write_text("if __name__ == '__main__':" + KILLED.replace("\n", "\n    "))
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    run = subprocess.Popen(
        [sys.executable, str(script), str(tars), str(jobs)], env=environment, stderr=subprocess.PIPE, process_group=0
    )
    # The pipe ends when the last process that holds it is gone.
    _, errors = run.communicate(timeout=250)
    assert run.returncode == -signal.SIGKILL, errors
    assert not (tars / "dataset.json").exists() and len(os.listdir(tars / "unfinished")) >= 3
    report = index_tars(str(tars))
    assert report.num_samples == 12 and report.num_scanned <= 1
    assert not (tars / "unfinished").exists()


def test_parallel_runs_write_the_same_index(tars: Path, tmp_path: Path) -> None:
    index_tars(str(tars), str(tmp_path / "one"), looks=MEDIA)
    index_tars(str(tars), str(tmp_path / "two"), name="one", looks=MEDIA, jobs=2)
    for name in ("index.parquet", "shards.parquet"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()
