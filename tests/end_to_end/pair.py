"""Two ranks of a real run, as srun starts them, to be stopped or killed."""

from __future__ import annotations

import time
from pathlib import Path

from tests.end_to_end.small_runs import ROOT, Runs, environment, slurm
from tests.forked import Forked

HANG = 6.0
"""engine.hang_seconds of these runs."""


class Pair:
    """Two ranks, as srun starts them."""

    def __init__(self, runs: Runs, run: Path, *overrides: str) -> None:
        common = ("schedule.length.steps=2000", "checkpoint.every_steps=2", f"engine.hang_seconds={HANG}")
        words = ["train.py", *runs.command(run, *common, *overrides)]
        out, errors = run.parent / "out", [run.parent / f"{rank}.err" for rank in (0, 1)]
        self.ranks = [Forked(words, {**environment(), **slurm(rank, 2)}, ROOT, out, errors[rank]) for rank in (0, 1)]
        self._folder = run.parent

    def await_step(self, step: int) -> None:
        while f"\nstep {step}/" not in self.said(0):
            assert self.ranks[0].poll() is None and self.ranks[1].poll() is None, self.said(0) + self.said(1)
            time.sleep(0.05)

    def said(self, rank: int) -> str:
        file = self._folder / f"{rank}.err"
        return file.read_text() if file.is_file() else ""

    def end(self) -> None:
        for rank in self.ranks:
            rank.kill()
            rank.wait()
