"""docs/training.md is true: its commands work as written, in their order, and so does its job for Slurm.

Slurm is simulated: `srun` is a script that starts the tasks with the variables that Slurm sets, on two nodes that are
both this machine, and `scontrol` one that notes what it is asked.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from mcg.engine.checkpoint import find_checkpoint
from tests.end_to_end.small_runs import Runs, curve, environment

pytestmark = [pytest.mark.long, pytest.mark.timeout(1500)]
ROOT = Path(__file__).parents[2]
GUIDE = (ROOT / "docs" / "training.md").read_text()
RUNS = ("one", "deepspeed", "torchrun", "restarts", "nodes", "hostfile", "slurm")
SRUN = """#!/bin/bash
# two nodes of one task each; ends with the largest code of its tasks, as srun does
while [[ $1 == --* ]]; do shift; done
export SLURM_STEP_ID=0 SLURM_NTASKS=2 SLURM_STEP_NODELIST=localhost,node2 SLURM_LOCALID=0
SLURM_PROCID=0 "$@" & first=$!
SLURM_PROCID=1 "$@" & second=$!
trap 'kill -TERM $first $second' TERM
code=0
for task in $first $second; do
    while kill -0 $task 2>/dev/null; do wait $task; got=$?; done  # a trap ends a wait before its task has
    wait $task || got=$?
    (( got > code )) && code=$got
done
exit $code
"""


def _fences(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", GUIDE, re.MULTILINE | re.DOTALL)


@pytest.fixture
def env(tmp_path: Path) -> Iterator[dict[str, str]]:
    """The environment's programs first; the page's port for Slurm is made from a job number of this process's own."""
    programs = tmp_path / "bin"
    programs.mkdir()
    for name, text in (("srun", SRUN), ("scontrol", '#!/bin/bash\necho "$@" >> "$NOTED"\n')):
        (programs / name).write_text(text)
        (programs / name).chmod(0o755)
    own = environment()
    yield {
        **own,
        "PATH": f"{programs}:{Path(sys.executable).parent}:{own['PATH']}",
        "PYTHONPATH": str(ROOT),
        "NOTED": str(tmp_path / "noted"),
    }


def test_the_commands_work_in_their_order(tmp_path: Path, env: dict[str, str]) -> None:
    for name in ("configs", "samples", "train.py"):
        (tmp_path / name).symlink_to(ROOT / name)
    scripts = _fences("sh")
    assert len(scripts) >= 7
    for script in scripts:
        words = ["bash", "-euo", "pipefail", "-c", script]
        done = subprocess.run(words, cwd=tmp_path, env=env, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{script}\n{done.stderr}"
    for run in RUNS:
        assert len(curve(tmp_path / "runs" / "guide" / run)) == 4, run
    expected = [step["total"] for step in curve(tmp_path / "runs/guide/one")]
    for run in RUNS:
        losses = [step["total"] for step in curve(tmp_path / "runs" / "guide" / run)]
        assert losses == pytest.approx(expected, rel=1e-4), run


def _sbatch(tmp_path: Path, runs: Runs, env: dict[str, str], run: Path, *overrides: str) -> subprocess.Popen[str]:
    (script,) = _fences("bash")
    (tmp_path / "train.sbatch").write_text(script)
    job = {
        "SLURM_JOB_ID": str(os.getpid()),
        "CONFIG": str(runs.configs / "pretrain.yaml"),
        "RUN_DIR": str(run),
        "OVERRIDES": " ".join([f"vars.data={runs.data}", *overrides]),
    }
    words = ["bash", str(tmp_path / "train.sbatch")]
    return subprocess.Popen(words, cwd=ROOT, env={**env, **job}, stderr=subprocess.PIPE, text=True)


def test_the_job_is_queued_again_until_its_run_is_done(tmp_path: Path, runs: Runs, env: dict[str, str]) -> None:
    run, noted = tmp_path / "run", tmp_path / "noted"
    job = _sbatch(tmp_path, runs, env, run)
    assert job.stderr is not None
    for line in job.stderr:
        if line.startswith("step 3/"):
            (srun,) = Path(f"/proc/{job.pid}/task/{job.pid}/children").read_text().split()
            os.kill(int(srun), 15)  # --signal sends it to the step, not to the script
            break
    _, said = job.communicate(timeout=300)
    assert job.returncode == 75, said
    assert noted.read_text() == f"requeue {os.getpid()}\n"
    assert 3 <= find_checkpoint(run).step < 16
    again = _sbatch(tmp_path, runs, env, run)
    _, said = again.communicate(timeout=300)
    assert again.returncode == 0, said
    assert len(curve(run)) == 16 and noted.read_text().count("requeue") == 1


def test_a_job_with_a_mistake_is_not_queued_again(tmp_path: Path, runs: Runs, env: dict[str, str]) -> None:
    job = _sbatch(tmp_path, runs, env, tmp_path / "run", "optim.lrr=1")
    _, said = job.communicate(timeout=300)
    assert job.returncode == 2 and "optim.lrr: unknown field" in said
    assert not (tmp_path / "noted").exists()
