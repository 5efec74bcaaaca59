"""train.py under launchers: srun as its tasks see it, torchrun, DeepSpeed's with a hostfile, and what goes wrong there.

Slurm is simulated by the variables that srun sets; the two nodes of a job are two launchers on this machine.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
from pathlib import Path

import psutil
import pytest

from tests.end_to_end.small_runs import PYTHON, ROOT, STEPS, TORCHRUN, Runs, curve, environment, slurm

pytestmark = [pytest.mark.timeout(900), pytest.mark.long]
SHORT = "schedule.length.steps=3"


def _srun(runs: Runs, run: Path, tasks: int, *overrides: str) -> list[subprocess.CompletedProcess[str]]:
    """The tasks of `srun -n TASKS python train.py` on one node."""
    started = []
    for task in range(tasks):
        env = {**environment(), **slurm(task, tasks)}
        words = [*PYTHON, "train.py", *runs.command(run, *overrides)]
        started.append(subprocess.Popen(words, cwd=ROOT, env=env, stderr=subprocess.PIPE, text=True))
    done = []
    for process in started:
        _, said = process.communicate(timeout=300)
        done.append(subprocess.CompletedProcess(process.args, process.returncode, "", said))
    return done


def test_the_tasks_of_srun_are_the_ranks_of_one_run(runs: Runs, tmp_path: Path) -> None:
    run = tmp_path / "run"
    first, second = _srun(runs, run, 2, SHORT)
    assert (first.returncode, second.returncode) == (0, 0), first.stderr + second.stderr
    assert "2 process(es)" in first.stderr and "step 3/3" in first.stderr
    assert "step 3/3" not in second.stderr  # it was a run of its own, in the same folder
    assert len(curve(run)) == 3
    assert json.loads((run / "accounting.json").read_text())["delivered"] == 24


def _rank_process(launcher: int, rank: int) -> int:
    """The process of a rank below a launcher."""
    for child in psutil.Process(launcher).children(recursive=True):
        try:
            if child.environ().get("RANK") == str(rank) and "train.py" in " ".join(child.cmdline()):
                return child.pid
        except psutil.Error:
            continue
    raise AssertionError(f"no rank {rank} below {launcher}")


def test_a_killed_rank_is_restarted_by_torchrun_and_the_run_ends_whole(runs: Runs, tmp_path: Path) -> None:
    run = tmp_path / "run"
    torchrun = (*TORCHRUN, "--max-restarts", "3")
    process = runs.start(run, "checkpoint.every_steps=2", launcher=torchrun)
    assert process.stderr is not None
    kills = {"step 3/": 0}
    told = []
    for line in process.stderr:
        told.append(line)
        if (rank := kills.pop(line[: line.find("/") + 1], None)) is not None:
            os.kill(_rank_process(process.pid, rank), signal.SIGKILL)
    assert process.wait(timeout=300) == 0, "".join(told)
    assert not kills
    assert len(curve(run)) == STEPS
    assert "".join(told).count("2 process(es)") == 2


def _error(done: subprocess.CompletedProcess[str], code: int) -> str:
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr, done.stderr
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    return line


def test_a_batch_that_the_ranks_do_not_divide_is_refused_in_one_line(runs: Runs, tmp_path: Path) -> None:
    for option in ("data.train.batch_size=9", "data.val.batch_size=9"):
        for done in _srun(runs, tmp_path / "run", 2, SHORT, option):
            assert "batch_size 9 (global) does not divide among world_size 2 ranks; choose" in _error(done, 1)


def test_a_port_in_use_is_refused_in_one_line(runs: Runs, tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("0.0.0.0", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        env = {**environment(), **slurm(0, 2), "MASTER_PORT": port}
        words = [*PYTHON, "train.py", *runs.command(tmp_path / "run", SHORT)]
        done = subprocess.run(words, cwd=ROOT, env=env, capture_output=True, text=True, timeout=300, check=False)
    assert f"port {port} of" in _error(done, 1) and "MASTER_PORT" in done.stderr


def test_a_script_of_sbatch_without_srun_is_refused(runs: Runs, tmp_path: Path) -> None:
    task = {name: value for name, value in slurm(0, 2).items() if "STEP" not in name}
    words = [*PYTHON, "train.py", *runs.command(tmp_path / "run", SHORT)]
    done = subprocess.run(
        words, cwd=ROOT, env={**environment(), **task}, capture_output=True, text=True, timeout=300, check=False
    )
    assert "SLURM_NTASKS is 2, and no rank is told" in _error(done, 2)
    assert not (tmp_path / "run" / "log.jsonl").exists()
