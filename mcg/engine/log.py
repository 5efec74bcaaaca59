"""The log of a run: a line per step in RUN/log.jsonl, a progress bar and regular lines on the screen.

Every line has the losses by objective, the learning rate, elements per second, the share of the step spent waiting for
data with the stage to blame, the CPU seconds of the loader's threads in the step, and the share of the steps' time so
far that this CPU took from them (shards/loader/contention.py). Rank 0 writes; times are kept out of `losses`, so that
two runs can be compared line by line.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from mcg import distributed
from mcg.engine.config import LogConfig
from mcg.metrics import DETAILS
from shards.base import cell
from shards.loader import Contention, Snapshot, StepTime, to_prometheus, write_metrics


class RunLog:
    """Log files and screen of a run, as a context manager; does nothing on ranks other than 0."""

    def __init__(self, run_dir: str | Path, config: LogConfig, total_steps: int, first_step: int) -> None:
        self._on = distributed.rank() == 0
        self._config = config
        self._total = total_steps
        if not self._on:
            return
        folder = Path(run_dir)
        folder.mkdir(parents=True, exist_ok=True)
        _drop_lines_from(folder / "log.jsonl", first_step)
        self._file = (folder / "log.jsonl").open("a")
        self.console = _Screen(self._note_lost_screen)
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        self._progress = Progress(
            *columns, TimeRemainingColumn(), console=self.console, disable=not self.console.is_terminal
        )
        self._bar = self._progress.add_task("steps", total=total_steps, completed=first_step)
        self._data: Snapshot | None = None
        self._recent = _Recent()
        self._board: Any = None
        if config.tensorboard:
            from torch.utils.tensorboard import SummaryWriter

            self._board = SummaryWriter(str(folder / "tensorboard"))

    def __enter__(self) -> Self:
        if self._on:
            self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._on:
            self._progress.stop()
            self._file.close()
            if self._board is not None:
                self._board.close()

    def say(self, text: str) -> None:
        """Print a line on the screen."""
        if self._on:
            self.console.print(cell(text))

    def _note_lost_screen(self) -> None:
        self._file.write(json.dumps({"screen": "is gone (broken pipe); nothing more is shown"}) + "\n")
        self._file.flush()

    def step(
        self,
        step: int,
        losses: dict[str, float],
        took: StepTime,
        num_elements: int,
        dataset: str | None,
    ) -> None:
        """Log an optimiser step.

        step: steps done so far. losses: as Engine.train_step returns them. took: what it took on this rank.
        num_elements: over all ranks. dataset: that of the step.
        """
        if not self._on:
            return
        seconds, data = took
        self._data = data if self._data is None else self._data + data
        self._recent.add(took, num_elements)
        contention = self._data.contention
        line = {
            "step": step,
            "dataset": dataset,
            "losses": losses,
            "seconds": round(seconds, 4),
            "elements_per_second": round(num_elements / seconds, 2),
            "data_wait_share": round(min(1.0, data.wait_seconds / seconds), 4),
            "loader_cpu_seconds": round(data.cpu_seconds, 4),
            "loader_lost_share": _rounded(contention.lost_share),
            "loader_lost_error": _rounded(contention.lost_error),
            "slowest_stage": data.slowest,
            "failed": data.accounting.failed,
        }
        self._file.write(json.dumps(line) + "\n")
        self._file.flush()
        self._progress.update(self._bar, completed=step)
        if self._board is not None:
            for name, value in losses.items():
                self._board.add_scalar(f"train/{name}", value, step)
            for name in ("data_wait_share", "loader_cpu_seconds", "loader_lost_share"):
                if line[name] is not None:
                    self._board.add_scalar(f"speed/{name}", line[name], step)
        if step % self._config.every_steps == 0 or step == self._total:
            if self._config.prometheus is not None:
                write_metrics(self._config.prometheus, to_prometheus(self._data, {"rank": distributed.rank()}))
            shown = "  ".join(f"{name} {value:.4g}" for name, value in losses.items())
            recent, self._recent = self._recent, _Recent()
            self.say(f"step {step}/{self._total}  {shown}  {recent}, {_lost(contention)}")

    def scores(self, step: int, split: str, metrics: dict[str, Any]) -> None:
        """Log the metrics of an evaluation during the run."""
        if self._on:
            self._file.write(json.dumps({"step": step, "split": split, "metrics": metrics}) + "\n")
            self._file.flush()
            self.say(f"{split} at step {step}: {json.dumps(_brief(metrics))}")


@dataclass
class _Recent:
    """The steps since the last line on the screen: a single one may be a step in which the loader was held."""

    count: int = 0
    seconds: float = 0.0
    num_elements: int = 0
    data: Snapshot | None = None

    def add(self, took: StepTime, num_elements: int) -> None:
        self.count += 1
        self.seconds += took.seconds
        self.num_elements += num_elements
        self.data = took.data if self.data is None else self.data + took.data

    def __str__(self) -> str:
        assert self.data is not None
        waiting = min(1.0, self.data.wait_seconds / self.seconds)
        return (
            f"{self.num_elements / self.seconds:.0f}/s  waiting for data {waiting:.0%} ({self.data.slowest})  "
            f"loader {1000 * self.data.cpu_seconds / self.count:.0f} ms CPU"
        )


def _lost(contention: Contention) -> str:
    share, error = contention.lost_share, contention.lost_error
    return "its cost not known yet" if share is None or error is None else f"costs {share:.0%} ± {error:.0%}"


def _rounded(share: float | None) -> float | None:
    return None if share is None else round(share, 4)


def _brief(metrics: dict[str, Any]) -> dict[str, Any]:
    """Metrics without the lists and counts that belong to a table."""
    return {
        name: _brief(value) if isinstance(value, dict) else value
        for name, value in metrics.items()
        if name not in DETAILS
    }


class _Screen(Console):
    """stderr that survives a broken pipe: the run goes on without a screen, where rich would end the process."""

    def __init__(self, on_loss: Callable[[], None]) -> None:
        super().__init__(stderr=True)
        self._on_loss = on_loss

    def on_broken_pipe(self) -> None:
        self.file = open(os.devnull, "w")  # noqa: SIM115  for as long as the process lives
        self._on_loss()


def _drop_lines_from(file: Path, first_step: int) -> None:
    """Keep the lines up to `first_step`: a resumed run writes the later ones again."""
    if not file.is_file():
        return
    kept = []
    for text in file.read_text().splitlines():
        try:
            if json.loads(text)["step"] <= first_step:
                kept.append(text)
        except (json.JSONDecodeError, KeyError, TypeError):
            continue  # a line that a killed run left half written
    aside = file.with_suffix(".tmp")
    aside.write_text("".join(line + "\n" for line in kept))
    aside.replace(file)
