"""What the benchmarks share: every case in a fresh process, cases interleaved, one table and one JSON line at the end.

A benchmark is a script with functions that each take keyword arguments and return a dict of numbers. `compare` starts
`python SCRIPT --case NAME ARGUMENTS` once per case and repeat, in the order a b c a b c, so that a busy minute of the
machine hits all cases alike, and gives medians with the least and the greatest value.
"""

from __future__ import annotations

import json
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.table import Table

Case = Callable[..., dict[str, float]]


@contextmanager
def timed(into: dict[str, float], name: str) -> Any:
    """Note the wall and CPU seconds of a block as NAME_s and NAME_cpu_s."""
    wall, cpu = time.perf_counter(), time.process_time()
    yield
    into[f"{name}_s"] = time.perf_counter() - wall
    into[f"{name}_cpu_s"] = time.process_time() - cpu


def compare(title: str, script: str, cases: Mapping[str, Sequence[str]], repeats: int = 5) -> dict[str, Any]:
    """Run `script --case NAME ...` for each label -> [NAME, argument, ...] in fresh processes, and tell the results.

    Raises subprocess.CalledProcessError when a case fails.
    """
    found: dict[str, list[dict[str, float]]] = {label: [] for label in cases}
    for _ in range(repeats):
        for label, arguments in cases.items():
            command = [sys.executable, script, "--case", *arguments]
            done = subprocess.run(command, check=True, capture_output=True, text=True)
            found[label].append(json.loads(done.stdout.splitlines()[-1]))
    medians = {label: {name: _spread([run[name] for run in runs]) for name in runs[0]} for label, runs in found.items()}
    names = list(dict.fromkeys(name for numbers in medians.values() for name in numbers))
    table = Table("case", *names, title=f"{title} (median, least to greatest of {repeats})")
    for label, numbers in medians.items():
        table.add_row(label, *(_cell(numbers[name]) if name in numbers else "" for name in names))
    Console().print(table)
    result = {"benchmark": title, "machine": machine(), "repeats": repeats, "cases": medians}
    print(json.dumps(result))
    return result


def run_case(cases: Mapping[str, Case], arguments: Sequence[str]) -> None:
    """The other end of `compare`: run one case in this process and print its numbers."""
    name, *values = arguments
    print(json.dumps(cases[name](*values)))


def machine() -> str:
    """Processor and Python, in words."""
    import os

    return f"{os.cpu_count()} cores {platform.machine()}, {platform.system()}, Python {platform.python_version()}"


def _spread(values: Sequence[float]) -> dict[str, float]:
    return {"median": statistics.median(values), "least": min(values), "greatest": max(values)}


def _cell(spread: Mapping[str, float]) -> str:
    return f"{spread['median']:.4g} ({spread['least']:.4g} to {spread['greatest']:.4g})"
