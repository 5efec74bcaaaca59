"""The log of a run: records for its trackers (mcg/engine/record/trackers.py), a progress bar and lines on the screen.

A line on the screen is one line, however long, for grep: step, time of day, ETA, losses by objective (the mean of the
steps since the line before) and their total by dataset, gradient norm, learning rate, samples and tokens per second,
floating-point operations per second and their share of the device's peak (MFU, mcg/engine/flops.py), the share of the
time spent waiting for data with the stage to blame, what the loader costs, memory, quarantined elements. A record has
the same of every single step. Rank 0 writes: what a rank knows of itself (waiting, the loader, memory, quarantine) is
rank 0's, and tokens are those of rank 0 times the ranks. Times are kept out of `losses`, so that two runs can be
compared line by line.
"""

from __future__ import annotations

import json
import os
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import psutil
import torch
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from mcg import distributed
from mcg.engine.config import LogConfig
from mcg.engine.flops import Work
from mcg.engine.record.changes import describe
from mcg.engine.record.spikes import Spike
from mcg.engine.record.started import started
from mcg.engine.record.trackers import Tracker, open_trackers
from mcg.metrics import DETAILS
from shards import Batch
from shards.base import cell
from shards.loader import Contention, Snapshot, StepTime, to_prometheus, write_metrics


class RunLog:
    """Log files and screen of a run, as a context manager; does nothing on ranks other than 0."""

    def __init__(
        self,
        run_dir: str | Path,
        config: LogConfig,
        total_steps: int,
        first_step: int,
        stored: dict[str, Any] | None = None,
    ) -> None:
        """stored: the run's config, in the form for files. Raises TrackerError."""
        self._on = distributed.rank() == 0
        self._config = config
        self._total, self._first, self._stored = total_steps, first_step, stored or {}
        if not self._on:
            return
        self._folder = Path(run_dir)
        self._folder.mkdir(parents=True, exist_ok=True)
        self._trackers: list[Tracker] = open_trackers(self._folder, config, first_step, stored)
        self.console = _Screen(self._note_lost_screen)
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        self._progress = Progress(
            *columns, TimeRemainingColumn(), console=self.console, disable=not self.console.is_terminal
        )
        self._bar = self._progress.add_task("steps", total=total_steps, completed=first_step)
        self._data: Snapshot | None = None
        self._recent = _Recent()
        self._process = psutil.Process()
        self._began = time.monotonic()

    def __enter__(self) -> Self:
        if self._on:
            self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._on:
            self._progress.stop()
            for tracker in self._trackers:
                tracker.close(failed=error is not None)

    def say(self, text: str) -> None:
        """Print a line on the screen."""
        if self._on:
            self.console.print(cell(text), soft_wrap=True)

    def _note_lost_screen(self) -> None:
        self._write({"step": self._first, "screen": "is gone (broken pipe); nothing more is shown"})

    def _write(self, record: dict[str, Any]) -> None:
        for tracker in self._trackers:
            tracker.write(record)

    def started(self) -> None:
        """Keep what the run is started with at its first step (mcg/engine/record/started.py), and its config."""
        if self._on:
            facts = started(distributed.world_size())
            self._write({"step": self._first, "started": facts, "config": self._stored})

    def changed(self, step: int, changes: dict[str, list[Any]]) -> None:
        """Tell and keep what differs from the config that the run has had up to this step (record/changes.py)."""
        if self._on and changes:
            self._write({"step": step, "changed": changes})
            self.say(f"changed from step {step} on: {describe(changes)}")

    def spike(self, step: int, spike: Spike) -> None:
        """Tell and keep a spike of the loss."""
        if self._on:
            self._write({"step": step, "spike": asdict(spike)})
            self.say(f"spike at step {step}: {spike}")

    def rewound(self, step: int, spiked: int, spike: Spike) -> None:
        """Tell and keep that a run has gone back to this step after a spike; those since then are logged again."""
        if self._on:
            for tracker in self._trackers:
                tracker.close(failed=False)
            self._trackers = open_trackers(self._folder, self._config, step, self._stored)
            self._write({"step": step, "rewound_from": spiked, "spike": asdict(spike)})
            self.say(f"went back to step {step}, and on with the data after the spike")

    def step(
        self,
        step: int,
        losses: dict[str, float],
        took: StepTime,
        num_elements: int,
        batches: Sequence[Batch],
        work: Work | None = None,
        use: str | None = None,
    ) -> None:
        """Log an optimiser step.

        step: steps done so far. losses: as Engine.train_step returns them. took: what it took on this rank.
        num_elements: over all ranks. batches: those of the step on this rank. work: of the step on this rank. use: the
        step's, in a run of several.
        """
        if not self._on:
            return
        seconds, data = took
        self._data = data if self._data is None else self._data + data
        dataset, tokens = batches[0].dataset, sum(map(_num_tokens, batches)) * distributed.world_size()
        self._recent.add(took, num_elements, tokens, losses, dataset, use)
        self._recent.work = work
        contention = self._data.contention
        record = {
            "step": step,
            "dataset": dataset,
            **({} if use is None else {"use": use, "elements": num_elements}),
            "losses": losses,
            "seconds": round(seconds, 4),
            "elements_per_second": round(num_elements / seconds, 2),
            "tokens_per_second": round(tokens / seconds, 1),
            **({} if work is None else work.in_seconds(seconds)),
            "data_wait_share": round(min(1.0, data.wait_seconds / seconds), 4),
            "loader_cpu_seconds": round(data.cpu_seconds, 4),
            "loader_lost_share": _rounded(contention.lost_share),
            "loader_lost_error": _rounded(contention.lost_error),
            "slowest_stage": data.slowest,
            "failed": data.accounting.failed,
            "host_memory_gib": round(self._process.memory_info().rss / 2**30, 3),
            "gpu_memory_gib": round(torch.cuda.max_memory_allocated() / 2**30, 3)
            if torch.cuda.is_available()
            else None,
        }
        self._write(record)
        self._progress.update(self._bar, completed=step)
        if step % self._config.every_steps == 0 or step == self._total:
            if self._config.prometheus is not None:
                write_metrics(self._config.prometheus, to_prometheus(self._data, {"rank": distributed.rank()}))
            self._show(step, record)

    def _show(self, step: int, record: dict[str, Any]) -> None:
        assert self._data is not None
        recent, self._recent = self._recent, _Recent()
        left = (time.monotonic() - self._began) / max(1, step - self._first) * (self._total - step)
        memory = f"host {record['host_memory_gib']:.1f} GiB"
        if record["gpu_memory_gib"] is not None:
            memory = f"gpu {record['gpu_memory_gib']:.1f} GiB  {memory}"
        self.say(
            f"step {step}/{self._total}  {datetime.now():%Y-%m-%d %H:%M:%S}  eta {timedelta(seconds=round(left))}  "
            f"{recent}, {_lost(self._data.contention)}  {memory}  quarantined {self._data.accounting.failed_attempts}"
        )

    def scores(self, step: int, split: str, metrics: dict[str, Any], use: str | None = None) -> None:
        """Log the metrics of an evaluation during the run, of one use where there are several."""
        if self._on:
            named = {} if use is None else {"use": use}
            self._write({"step": step, "split": split, **named, "metrics": metrics})
            self.say(f"{split}{'' if use is None else f' of {use}'} at step {step}: {json.dumps(_brief(metrics))}")


@dataclass
class _Recent:
    """The steps since the last line on the screen: a single one may be a step in which the loader was held."""

    count: int = 0
    seconds: float = 0.0
    num_elements: int = 0
    num_tokens: int = 0
    data: Snapshot | None = None
    work: Work | None = None
    losses: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    by_dataset: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    elements_of: Counter[str] = field(default_factory=Counter)
    """By use."""

    def add(
        self,
        took: StepTime,
        num_elements: int,
        num_tokens: int,
        losses: dict[str, float],
        dataset: str | None,
        use: str | None = None,
    ) -> None:
        self.count += 1
        self.seconds += took.seconds
        self.num_elements += num_elements
        self.num_tokens += num_tokens
        self.data = took.data if self.data is None else self.data + took.data
        for name, loss in losses.items():
            self.losses[name if use is None or name == "lr" else f"{use}: {name}"].append(loss)
        if use is not None:
            self.elements_of[use] += num_elements
        elif dataset is not None:
            self.by_dataset[dataset].append(losses["total"])

    def __str__(self) -> str:
        assert self.data is not None
        waiting = min(1.0, self.data.wait_seconds / self.seconds)
        shown = [f"{name} {values[-1] if name == 'lr' else _mean(values):.4g}" for name, values in self.losses.items()]
        if len(self.by_dataset) > 1:
            shown += [f"total of {name} {_mean(values):.4g}" for name, values in sorted(self.by_dataset.items())]
        shown += [f"samples of {use} {count}" for use, count in sorted(self.elements_of.items())]
        speed = f"{self.num_elements / self.seconds:.3g} samples/s"
        if self.num_tokens:
            speed += f"  {self.num_tokens / self.seconds:.0f} tokens/s"
        if self.work is not None:
            done = self.work.in_seconds(self.seconds / self.count)
            speed += f"  {done['tflops']:.3g} TFLOP/s a rank"
            if done["mfu"] is not None:
                speed += f" (MFU {done['mfu']:.0%})"
        return (
            f"{'  '.join(shown)}  {speed}  waiting for data {waiting:.0%} ({self.data.slowest})  "
            f"loader {1000 * self.data.cpu_seconds / self.count:.0f} ms CPU"
        )


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def _num_tokens(batch: Batch) -> int:
    """Tokens of the texts of a batch, padding left out."""
    return sum(int(array.sum()) for name, array in batch.arrays.items() if name.endswith("_mask"))


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
