"""What does a training step lose to the loader, beside the same steps with batches cached; is it logged rightly?

    PYTHONPATH=. python benchmarks/step_loss.py [--config configs/demo/pt.yaml] [--steps 64] [--rounds 5] [a.b=c ...]

The steps are those of train.py with any of its configs, from scratch, with torch's own number of threads. Cases:

cached      all batches are made before the first step and handed over again: the ceiling of the step
usual       the Loader as train.py uses it
nice N      its threads have a lower priority (Linux)
one thread  it decodes in one thread

`step_ms` is the mean step, waiting included, and `loader_cpu_ms` the CPU time of the loader's threads per step. `lost`
is the share of the step by which it is longer than the cached one of the same round; `beyond` is how much longer it is
than cached step + loader CPU / cores, as a share of the cached step. `logged` is what the log says about it: waiting
plus the share taken by the loader's CPU (shards/loader/contention.py), and `error` the error that it states.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

from harness import machine
from rich.console import Console
from rich.table import Table

CASES = ("cached", "usual", "nice 10", "nice 19", "one thread")
_WARM_UP = 4


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--config", default="configs/demo/pt.yaml")
    options.add_argument("--steps", type=int, default=64)
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument("--cases", default=",".join(CASES), help="some of them, with commas; cached is always asked")
    options.add_argument("--case", help=argparse.SUPPRESS)
    options.add_argument("overrides", nargs="*", help="a.b=c over the config")
    chosen = options.parse_args()
    if chosen.case:
        print(json.dumps(measure(chosen.config, chosen.overrides, chosen.steps, chosen.case)))
        return
    cases = ["cached", *(case for case in chosen.cases.split(",") if case != "cached")]
    found: dict[str, list[dict[str, float]]] = {case: [] for case in cases}
    for _ in range(chosen.rounds):
        for case in cases:
            answer = _ask(chosen, case)
            if case != "cached":
                ceiling = found["cached"][-1]["step_ms"]
                spared = answer["step_ms"] - answer["loader_cpu_ms"] / answer["cores"]
                answer |= {"lost": 1 - ceiling / answer["step_ms"], "beyond": spared / ceiling - 1}
            found[case].append(answer)
            print(case, json.dumps(answer), file=sys.stderr, flush=True)
    _tell(chosen.config, found)


def measure(config: str, overrides: list[str], num_steps: int, case: str) -> dict[str, float]:
    """Train some steps in this process."""
    import torch

    from mcg.config import load_config
    from mcg.engine.deepspeed import Engine, start_distributed
    from mcg.engine.schedule import Schedule
    from mcg.objectives.bundle import Bundle
    from mcg.text import open_texts
    from shards import Loader
    from shards.loader import StepTimer

    threads = ["data.train.threads=1"] if case == "one thread" else []
    run = load_config(Path(config), [*overrides, *threads])
    device = start_distributed()
    torch.manual_seed(0)
    texts = open_texts(run.model)
    task = run.task.build(texts)
    accumulation = run.engine.accumulation_steps
    with Loader(run.data.train, 0, 1, task.encode) as loader:
        schedule = Schedule(run.schedule, run.data.train.batch_size * accumulation, loader.num_elements)
        bundle = Bundle(run.model.build(texts), run.objectives.build())
        engine = Engine(bundle, run.engine, run.optim, schedule, run.data.train.batch_size, 0, device)
        batches, timer = iter(loader), StepTimer(loader, accumulation)
        made = [next(batches) for _ in range(accumulation * (num_steps + _WARM_UP) if case == "cached" else 0)]
        if case == "cached":
            loader.hold = True
            batches = iter(made)
        took = []
        for number in range(_WARM_UP + num_steps):
            if number == _WARM_UP:
                before = loader.stats.snapshot()
                _set_priority(int(case.removeprefix("nice "))) if case.startswith("nice") else None
            timer.begin()
            engine.train_step([next(batches) for _ in range(accumulation)])
            took.append(timer.end().seconds)
        data = loader.stats.snapshot() - before
        seconds = sum(took[_WARM_UP:])
        waited, contention = data.wait_seconds / seconds, data.contention
        return {
            "step_ms": 1000 * seconds / num_steps,
            "median_ms": 1000 * statistics.median(took[_WARM_UP:]),
            "loader_cpu_ms": 1000 * data.cpu_seconds / num_steps,
            "waited": waited,
            "logged": waited + (1 - waited) * (contention.lost_share or 0.0),
            "error": contention.lost_error or 0.0,
            "held": contention.held.count,
            "cores": len(os.sched_getaffinity(0)),
        }


def _set_priority(nice: int) -> None:
    for thread in threading.enumerate():
        if thread.name.startswith("shards-") and thread.native_id is not None:
            os.setpriority(os.PRIO_PROCESS, thread.native_id, nice)


def _ask(chosen: argparse.Namespace, case: str) -> dict[str, float]:
    options = ["--config", chosen.config, "--steps", str(chosen.steps), "--case", case]
    command = [sys.executable, __file__, *options, *chosen.overrides]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    return dict(json.loads(done.stdout.splitlines()[-1]))


def _tell(config: str, found: dict[str, list[dict[str, float]]]) -> None:
    names = ("step_ms", "median_ms", "loader_cpu_ms", "waited", "lost", "beyond", "logged", "error")
    rounds = len(found["cached"])
    table = Table("case", *names, title=f"step_loss, {config} (median, least to greatest of {rounds})")
    medians: dict[str, Any] = {}
    for case, answers in found.items():
        values = {name: [answer[name] for answer in answers] for name in names if name in answers[0]}
        medians[case] = {
            name: {"median": statistics.median(each), "least": min(each), "greatest": max(each)}
            for name, each in values.items()
        }
        cells = (
            "{median:.4g} ({least:.4g} to {greatest:.4g})".format(**medians[case][name]) if name in values else ""
            for name in names
        )
        table.add_row(case, *cells)
    console = Console(width=max(Console().width, 180))
    console.print(table)
    print(json.dumps({"benchmark": "step_loss", "config": config, "machine": machine(), "cases": medians}))


if __name__ == "__main__":
    main()
