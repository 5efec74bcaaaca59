"""The same run with either decoder, by configuration only, and on from one to the other."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.end_to_end.small_runs import STEPS, Runs, curve, lines

pytest.importorskip("nvidia.dali", reason="NVIDIA DALI is not installed (extra dali)")
DALI = ("data.train.decode=dali", "data.val.decode=dali")


@pytest.mark.long
@pytest.mark.timeout(600)
def test_a_run_goes_from_dali_to_the_cpu_decoder(runs: Runs, tmp_path: Path) -> None:
    done = runs.train(tmp_path, *DALI, "schedule.length.steps=8", "checkpoint.every_steps=8")
    assert done.returncode == 0, done.stderr
    assert "decode: dali-" in done.stdout + done.stderr
    scores = next(line for line in lines(tmp_path) if "metrics" in line)
    assert scores["metrics"]["num_scored"] == 60
    done = runs.train(tmp_path, "data.train.decode=cpu")
    assert done.returncode == 0, done.stderr
    assert "resumed with decoder cpu" in done.stderr and "saved with dali-" in done.stderr
    assert len(curve(tmp_path)) == STEPS
    done = runs.evaluate(
        tmp_path, tmp_path / "scores", "data.test.decode=dali", "--control", "none", "--control", "shuffled"
    )
    assert done.returncode == 0, done.stderr
