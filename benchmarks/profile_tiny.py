"""Where does the CPU time of a whole loader go, sample by sample, when nothing is decoded?

    PYTHONPATH=. python benchmarks/profile_tiny.py [--bytes 100] [--batch 32] [--rounds 3] [--samples 16384]

Ours at defaults on the samples of bench_tiny.py, in microseconds of CPU a sample, behind the first eighth of a pass.
`untouched` passes run without any clock in the stages: the process's CPU time, split by its threads as the kernel does.
`clocked` passes read the thread's CPU clock where a stage begins and ends; a stage has its own time without that of
stages inside it. What the clocks themselves cost is measured on an empty stage and taken out of the stage they stand
in; `between stages` is what a thread did in none of them. So the lines of a thread add up to its clocked figure, and
`off by` says how far the sum of all is from the untouched figure. Medians of the passes, each in a fresh process.
"""

from __future__ import annotations

import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from functools import wraps
from importlib import import_module
from pathlib import Path
from statistics import median
from typing import Any

sys.path.append(str(Path(__file__).resolve().parent / "loaders"))

import loader_data
from harness import arguments, ask, run_case
from whole import Data

STAGES = (
    "shards.order.plan:TrainingPlanner.plans",
    "shards.loader.stages.pipeline:seek",
    "shards.loader.stages.pipeline:fetch",
    "shards.read.reader:Reader.take",
    "shards.read.reader:find_spans",
    "shards.read.shard_sizes:ShardSizes.read_many",
    "shards.read.reader:Reader._cut",
    "shards.loader.stages.pipeline:decode",
    "shards.read.reader:Reader.sample",
    "shards.read.reader:parse_texts",
    "shards.loader.stages.slots:Slots.place",
    "shards.loader.stages.pipeline:collate",
)
"""MODULE:NAME of the functions that are stages, by the names under which they are called."""


class Clocks:
    """CPU time of stages by thread, each without the stages inside it."""

    def __init__(self) -> None:
        self.spent: Counter[tuple[str, str]] = Counter()
        """(thread, stage) -> nanoseconds."""
        self.entered: Counter[tuple[str, str]] = Counter()
        """Runs of a stage."""
        self.inside: Counter[tuple[str, str]] = Counter()
        """Runs of stages directly inside a stage ("": between stages)."""
        self._at = threading.local()

    def wrap(self, stage: str, function: Callable[..., Any]) -> Callable[..., Any]:
        clock, at = time.thread_time_ns, self._at

        @wraps(function)
        def clocked(*args: Any, **kwargs: Any) -> Any:
            stack = at.__dict__.setdefault("stack", [["", 0]])
            frame = [stage, 0]
            stack.append(frame)
            began = clock()
            try:
                return function(*args, **kwargs)
            finally:
                took = clock() - began
                stack.pop()
                stack[-1][1] += took
                thread = _kind(threading.current_thread().name)
                self.spent[thread, stage] += took - frame[1]
                self.entered[thread, stage] += 1
                self.inside[thread, stack[-1][0]] += 1

        return clocked

    def install(self) -> None:
        """Put clocks around all STAGES. Raises AttributeError for one that is no longer there."""
        for stage in STAGES:
            module, _, name = stage.partition(":")
            owner: Any = import_module(module)
            *path, last = name.split(".")
            for part in path:
                owner = getattr(owner, part)
            setattr(owner, last, self.wrap(name, getattr(owner, last)))


def _kind(thread: str) -> str:
    """A thread's name without its number."""
    return thread.rpartition("_")[0] or thread


def one_pass(folder: str, batch: str, samples: str, clocked: str) -> dict[str, Any]:
    """Microseconds a sample by "thread" or "thread / stage", and of the process."""
    from answer import EDGE
    from question import Question
    from with_ours import batches, load

    load()
    clocks, cost = Clocks(), (0.0, 0.0)
    if clocked == "clocked":
        cost = _cost()
        clocks.install()
    count, warm = 0, 0
    for _, records in batches(Question(folder, samples=int(samples), batch=int(batch))):
        count += len(records)
        if not warm and count >= int(samples) // EDGE:
            warm, process, threads = count, time.process_time_ns(), _threads()
            before = [Counter(each) for each in (clocks.spent, clocks.entered, clocks.inside)]
        if count == int(samples):
            spent = time.process_time_ns() - process
            after_threads = _threads()
            after = [Counter(each) for each in (clocks.spent, clocks.entered, clocks.inside)]
    running = count - warm
    parts: dict[str, Any] = {"process": spent / running / 1e3}
    own, outer = cost
    ran, entered, inside = ({key: a[key] - b[key] for key in a} for a, b in zip(after, before, strict=True))
    for thread, used in after_threads.items():
        used -= threads.get(thread, 0)
        parts[thread] = used / running / 1e3
        if clocked == "clocked":
            rest = float(used)
            for (name, stage), took in ran.items():
                if name == thread:
                    rest -= took
                    net = took - own * entered[name, stage] - outer * inside.get((name, stage), 0)
                    parts[f"{thread} / {stage}"] = net / running / 1e3
            overhead = own * sum(n for (name, _), n in entered.items() if name == thread)
            overhead += outer * sum(n for (name, _), n in inside.items() if name == thread)
            parts[f"{thread} / between stages"] = (rest - outer * inside.get((thread, ""), 0)) / running / 1e3
            parts[f"{thread} / clocks"] = overhead / running / 1e3
    return parts


def _cost() -> tuple[float, float]:
    """Nanoseconds that the clocks add to an empty stage, and to what is around it."""
    clocks, runs = Clocks(), 20_000
    empty = clocks.wrap("empty", lambda: None)
    around = clocks.wrap("around", lambda: [empty() for _ in range(runs)])
    around()
    began = time.thread_time_ns()
    [(lambda: None)() for _ in range(runs)]
    bare = (time.thread_time_ns() - began) / runs
    thread = _kind(threading.current_thread().name)
    inner = clocks.spent[thread, "empty"] / runs
    return inner, max(0.0, clocks.spent[thread, "around"] / runs - bare)


def _threads() -> Counter[str]:
    """CPU nanoseconds of this process's threads by kind."""
    used: Counter[str] = Counter()
    for thread in threading.enumerate():
        if thread.ident is not None:
            used[_kind(thread.name)] += time.clock_gettime_ns(time.pthread_getcpuclockid(thread.ident))
    return used


def main() -> None:
    options = arguments(__doc__, rounds=3, data="/tmp/mcg-peers-data/whole")
    options.add_argument("--bytes", type=int, default=100)
    options.add_argument("--batch", default="32")
    options.add_argument("--samples", type=int, default=1 << 14)
    chosen = options.parse_args()
    data = Data(f"bytes{chosen.bytes}", 64, chosen.samples // 64, chosen.bytes)
    folder = loader_data.make(data, chosen.data, chosen.venvs, ("ours",)) / "ours"
    words = [sys.executable, __file__, "--case", "one_pass", str(folder), chosen.batch, str(data.num_samples)]
    runs: dict[str, list[dict[str, float]]] = {"untouched": [], "clocked": []}
    for _ in range(chosen.rounds):
        for how, found in runs.items():
            found.append(ask([*words, how]))
    middle = {
        how: {name: median(run.get(name, 0.0) for run in found) for name in found[0]} for how, found in runs.items()
    }
    clocked, untouched = middle["clocked"], middle["untouched"]
    print(f"microseconds of CPU a sample, untouched: {untouched['process']:.1f}")
    for name, value in clocked.items():
        if name != "process":
            beside = f"   untouched {untouched.get(name, 0.0):.1f}" if " / " not in name else ""
            print(f"{'    ' if ' / ' in name else ''}{name:60} {value:8.2f}{beside}")
    own = sum(value for name, value in clocked.items() if " / " in name and not name.endswith("clocks"))
    print(f"sum of all stages and what is between them: {own:.1f}, off by {own / untouched['process'] - 1:+.1%}")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--case"]:
        run_case({"one_pass": one_pass}, sys.argv[2:])
    else:
        main()
