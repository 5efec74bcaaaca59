"""A run of two ranks of which one dies or stops: the other ends in time, names it, and the same command goes on."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from mcg.engine.checkpoint import find_checkpoint
from tests.end_to_end.pair import HANG, Pair
from tests.end_to_end.small_runs import Runs, lines

pytestmark = [pytest.mark.timeout(900), pytest.mark.long]


@pytest.fixture
def pair(runs: Runs, tmp_path: Path) -> Iterator[Pair]:
    """At its eighth step."""
    started = Pair(runs, tmp_path / "run")
    started.await_step(8)
    yield started
    started.end()


@pytest.mark.parametrize("number", [signal.SIGSTOP, signal.SIGKILL])
@pytest.mark.parametrize("lost", [0, 1])
def test_the_other_rank_ends_in_time_and_names_the_one_that_is_lost(
    pair: Pair, tmp_path: Path, lost: int, number: signal.Signals
) -> None:
    began = time.monotonic()
    os.kill(pair.ranks[lost].pid, number)
    assert pair.ranks[1 - lost].wait(timeout=120) == 1, pair.said(1 - lost)
    took = time.monotonic() - began
    said = pair.said(1 - lost)
    assert "Traceback" not in said, said
    (error,) = [line for line in said.splitlines() if line.startswith("error: ")]
    assert error.startswith(f"error: rank {lost} of 2 ({os.uname().nodename}, pid {pair.ranks[lost].pid}): "), error
    assert "it last did: " in error and "the same command goes on from the last checkpoint" in error
    assert took < 4 * HANG  # of a busy machine; what a quiet one takes is in docs/results.md
    assert find_checkpoint(tmp_path / "run").step >= 6


def test_sigterm_ends_a_rank_that_waits_for_a_stopped_one(runs: Runs, tmp_path: Path) -> None:
    started = Pair(runs, tmp_path / "run", "engine.hang_seconds=500")
    started.await_step(5)
    os.kill(started.ranks[1].pid, signal.SIGSTOP)
    os.kill(started.ranks[0].pid, signal.SIGTERM)
    assert started.ranks[0].wait(timeout=120) == 1
    assert "error: rank 1 of 2 (" in started.said(0) and "no sign of life" in started.said(0)
    started.end()


def test_what_changed_when_a_run_goes_on_is_told_and_kept(runs: Runs, tmp_path: Path) -> None:
    run = tmp_path / "run"
    assert runs.train(run, "schedule.length.steps=2").returncode == 0
    done = runs.train(run, "schedule.length.steps=4", "optim.lr=0.002", "data.train.batch_size=12")
    assert done.returncode == 0, done.stderr
    assert "changed from step 2 on: " in done.stderr
    (kept,) = [line for line in lines(run) if "changed" in line]
    assert kept == {
        "step": 2,
        "changed": {
            "data.train.batch_size": [8, 12],
            "optim.lr": [0.001, 0.002],
            "schedule.length.steps": [2, 4],
        },
    }


def test_a_run_that_goes_back_after_spikes_ends_with_each_step_once(runs: Runs, tmp_path: Path) -> None:
    run = tmp_path / "run"
    every = ("engine.spikes.factor=0.01", "engine.spikes.window=4", "engine.spikes.rewind=true")
    done = runs.train(run, "checkpoint.every_steps=4", *every, "schedule.length.steps=12")
    assert done.returncode == 0, done.stderr
    back = [line for line in lines(run) if "rewound_from" in line]
    assert back and all(line["step"] % 4 == 0 and line["rewound_from"] > line["step"] for line in back)
    assert all(len(line["spike"]["origins"]) == 8 for line in back)
    assert [line["step"] for line in lines(run) if "losses" in line] == list(range(1, 13))
    left_out = sum(line["rewound_from"] - line["step"] for line in back)
    assert sum(find_checkpoint(run).cursor["positions"]) == 8 * (12 + left_out)
