"""How long a save holds up the training: blocking, and in the background.

    python benchmarks/checkpoint_stall.py [GB] [FOLDER]

One process; weights, fp32 copies and two moments, GB gigabytes together (1), are saved five times each way into FOLDER
(a temporary one), each followed by a step that computes for two seconds before it updates. Each time is that of the
call and of the wait before the update, with the save before already written: median and shortest, for a machine that
others use. The first save of each way, which also takes the memory, is told apart. Prints a line of JSON.
"""

from __future__ import annotations

import json
import statistics
import sys
import tempfile
import time
from pathlib import Path

import torch
from torch import Tensor

from mcg.engine.saving import save_checkpoint, wait_for_save
from mcg.engine.store.background import Background
from mcg.engine.store.contents import Content, Contents


class _Weights:
    step = 0

    def __init__(self, num_bytes: int) -> None:
        count = num_bytes // 16 // 32
        self._kinds = {
            kind: {f"{kind}:{number}": torch.rand(count) for number in range(32)}
            for kind in ("model", "fp32", "exp_avg", "exp_avg_sq")
        }

    def model_state(self) -> dict[str, Tensor]:
        return self._kinds["model"]

    def state(self) -> Contents:
        held = self._kinds["fp32"] | self._kinds["exp_avg"] | self._kinds["exp_avg_sq"]
        return {"state/rank-00000.safetensors": Content(held)}


def _stalls(engine: _Weights, folder: Path, background: Background | None) -> list[tuple[float, float]]:
    """Of each save the seconds that its call took, and those of them that this thread was on a CPU."""
    found = []
    for step in range(6):
        engine.step = step
        started, worked = time.perf_counter(), time.thread_time()
        save_checkpoint(folder, engine, {}, {}, 1, background=background)
        seconds, on_cpu = time.perf_counter() - started, time.thread_time() - worked
        _compute(2.0)
        if background is not None:
            started = time.perf_counter()
            background.wait_for_copy()
            seconds += time.perf_counter() - started
        found.append((seconds, on_cpu))
        if background is not None:
            wait_for_save(folder, background)
    return found


def _compute(seconds: float) -> None:
    """A forward and backward pass: it changes nothing that is saved."""
    matrix, started = torch.rand(512, 512), time.perf_counter()
    while time.perf_counter() - started < seconds:
        matrix @ matrix


def main(gigabytes: float, folder: Path) -> None:
    engine = _Weights(int(gigabytes * 1e9))
    ways = {
        "blocking": _stalls(engine, folder / "blocking", None),
        "background": _stalls(engine, folder / "background", Background()),
    }
    facts: dict[str, object] = {"gigabytes": gigabytes}
    for way, found in ways.items():
        seconds, on_cpu = zip(*found[1:], strict=True)
        told = {"first": found[0][0], "median": statistics.median(seconds), "shortest": min(seconds)}
        facts[way] = {name: round(value, 3) for name, value in {**told, "cpu": statistics.median(on_cpu)}.items()}
    print(json.dumps(facts))


if __name__ == "__main__":
    size = float(sys.argv[1]) if len(sys.argv) > 1 else 1.0
    with tempfile.TemporaryDirectory() as made:
        main(size, Path(sys.argv[2]) if len(sys.argv) > 2 else Path(made))
