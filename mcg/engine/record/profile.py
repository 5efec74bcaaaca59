"""Where the time of some steps goes: a trace of torch's profiler, a table of the dearest operators, memory on a GPU.

`engine.profile: [11, 13]` writes RUN/profile/steps-11-13.json.gz, for https://ui.perfetto.dev or chrome://tracing, and
.txt, the table; with a GPU also .pickle, the history of its memory for https://pytorch.org/memory_viz. Of rank 0. The
steps are marked by what they do: data, forward, backward, update. They take longer than others, and their times are no
measure of a run.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch.profiler import ProfilerActivity, profile, record_function

from mcg import distributed

part = record_function
"""part("backward"): what is done inside is marked in the trace; a microsecond where nobody looks."""
_ROWS = 40


class StepProfile:
    """Profiles the steps first to last, counted from 1, of the rank 0 of a run."""

    def __init__(self, run_dir: Path, steps: tuple[int, int] | None) -> None:
        self._folder, self._steps = run_dir / "profile", steps if distributed.rank() == 0 else None
        self._running: profile | None = None

    def before(self, step: int) -> None:
        """A step is about to begin. One that a resumed run has behind it is not profiled."""
        if self._steps is None or self._running is not None or not self._steps[0] <= step <= self._steps[1]:
            return
        activities = [ProfilerActivity.CPU]
        if torch.cuda.is_available():
            activities.append(ProfilerActivity.CUDA)
            torch.cuda.memory._record_memory_history()
        self._running = profile(activities=activities, record_shapes=True, profile_memory=True)
        self._first = step
        self._running.start()

    def after(self, step: int, ends: bool = False) -> str | None:
        """A step has ended. Returns what is to be told once the last one has; ends: there are no more in this run."""
        if self._running is None or self._steps is None or (step < self._steps[1] and not ends):
            return None
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        self._running.stop()
        self._folder.mkdir(parents=True, exist_ok=True)
        place = self._folder / f"steps-{self._first}-{step}"
        self._running.export_chrome_trace(f"{place}.json.gz")
        order = "self_cuda_time_total" if torch.cuda.is_available() else "self_cpu_time_total"
        table = self._running.key_averages().table(sort_by=order, row_limit=_ROWS, max_name_column_width=60)
        Path(f"{place}.txt").write_text(table + "\n")
        if torch.cuda.is_available():
            torch.cuda.memory._dump_snapshot(f"{place}.pickle")
            torch.cuda.memory._record_memory_history(enabled=None)
        self._running = None
        return f"profile of steps {self._first} to {step}: {place}.json.gz (ui.perfetto.dev) and .txt"
