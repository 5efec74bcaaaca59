"""What the benchmarks share: every case in a fresh process, cases interleaved, one table and one JSON line at the end.

A benchmark is a script with functions that each take keyword arguments and return a dict of numbers. `compare` starts
`python SCRIPT --case NAME ARGUMENTS` once per case and repeat, in the order a b c a b c, so that a busy minute of the
machine hits all cases alike, and gives medians with the least and the greatest value.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
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


def children_cpu_s() -> float:
    """CPU seconds of the processes that this one started and waited for."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


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


BUSY = 2.5
"""Load average above which a round's figures are doubtful on two cores."""

Ask = Callable[[], dict[str, Any]]


def ask(command: Sequence[str], limit_s: float = 300, env: Mapping[str, str] | None = None) -> dict[str, Any]:
    """The figures that a command prints as its last line; torch and BLAS with one thread, modules compiled once and
    kept as everywhere.

    Raises RuntimeError with what it said last when it fails, and when it is not done in time.
    """
    single = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": ""}
    with tempfile.TemporaryFile("w+") as said, tempfile.TemporaryFile("w+") as answer:
        whole = {**os.environ, **single, **(env or {})}
        process = subprocess.Popen(command, stdout=answer, stderr=said, env=whole, start_new_session=True)
        try:
            code = process.wait(limit_s)
        except subprocess.TimeoutExpired as error:
            raise RuntimeError(f"{Path(command[1]).name} {command[2]} took longer than {limit_s:.0f} s") from error
        finally:
            with suppress(ProcessLookupError):  # workers that stayed behind, too
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        said.seek(0)
        answer.seek(0)
        if code not in (0, -signal.SIGALRM):
            raise RuntimeError(f"{Path(command[1]).name} {command[2]} failed:\n{said.read()[-2000:]}")
        return dict(json.loads(answer.read().splitlines()[-1]))


def beside(
    title: str,
    cases: Mapping[str, Ask],
    repeats: int,
    ratios: Mapping[str, tuple[str, Callable[[str], bool]]] | None = None,
    shown: Sequence[str] | None = None,
) -> dict[str, Any]:
    """Ask all cases in the order a b c a b c; tell medians with spread, and ratios of ours to each of the others.

    A case without an answer ({"unsupported": why}, or an exception) is told as such and not asked again. `ratios`
    says for one of our cases which figure is compared, and with which other cases: the ratio of a round is that of
    neighbours in time, and of the ratios of all rounds the median is told. `shown` are the figures of the table.
    """
    found: dict[str, list[dict[str, float]]] = {label: [] for label in cases}
    missing: dict[str, str] = {}
    loads = []
    for _ in range(repeats):
        loads.append(os.getloadavg()[0])
        for label, question in cases.items():
            if label in missing:
                continue
            try:
                answer = question()
            except RuntimeError as error:
                answer = {"unsupported": f"failed: {error}"}
            if "unsupported" in answer:
                missing[label] = str(answer["unsupported"])
                continue
            found[label].append({name: value for name, value in answer.items() if isinstance(value, (int, float))})
    for label in missing:
        found.pop(label)
    medians = {label: {name: _spread([run[name] for run in runs]) for name in runs[0]} for label, runs in found.items()}
    compared: dict[str, dict[str, Any]] = {}
    for ours, (figure, others) in (ratios or {}).items():
        for label, runs in found.items():
            if ours in found and label != ours and others(label):
                each = [a[figure] / b[figure] for a, b in zip(found[ours], runs, strict=True)]
                compared.setdefault(ours, {})[label] = {"figure": figure, **_spread(each)}
    names = [name for name in dict.fromkeys(n for m in medians.values() for n in m) if not shown or name in shown]
    columns = [f"{ours} / this, {figure}" for ours, (figure, _) in (ratios or {}).items() if ours in found]
    table = Table("case", *names, *columns, title=f"{title} (median, least to greatest of {repeats})")
    for label, numbers in medians.items():
        cells = [_cell(numbers[name]) if name in numbers else "" for name in names]
        cells += [_cell(compared[ours][label]) if label in compared.get(ours, {}) else "" for ours in compared]
        table.add_row(label, *cells)
    console = Console(width=max(Console().width, 160))
    console.print(table)
    for label, why in missing.items():
        console.print(f"{label}: {why}", markup=False)
    if max(loads) > BUSY:
        console.print(f"The machine was busy (load {max(loads):.1f}): trust the ratios only, or measure again.")
    result = {
        "benchmark": title,
        "machine": machine(),
        "repeats": repeats,
        "load": [round(load, 2) for load in loads],
        "cases": _rounded(medians),
        "ratios": _rounded(compared),
        "missing": missing,
    }
    print(json.dumps(result))
    return result


def arguments(description: str | None, rounds: int, data: str) -> argparse.ArgumentParser:
    """The options that the benchmarks beside the peers share."""
    options = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--rounds", type=int, default=rounds, help="times that every case is asked")
    options.add_argument("--data", type=Path, default=Path(data), help="folder for datasets, made once")
    options.add_argument("--venvs", type=Path, default=Path("/tmp/mcg-peers"), help="where peer_venvs.py put the peers")
    options.add_argument("--json", type=Path, help="file that the JSON line is appended to, for plots.py")
    return options


def save_json(path: Path | None, result: Mapping[str, Any]) -> None:
    """Append a result as one line, for `plots.py`."""
    if path is not None:
        with path.open("a") as file:
            file.write(json.dumps(result) + "\n")


def run_case(cases: Mapping[str, Case], arguments: Sequence[str]) -> None:
    """The other end of `compare`: run one case in this process and print its numbers."""
    name, *values = arguments
    print(json.dumps(cases[name](*values)))


def tell_seeds(title: str, seeds: Sequence[int], found: Sequence[Mapping[str, float]]) -> None:
    """One table with the figures of each seed and their median, and one line of JSON."""
    medians = {name: _spread([run[name] for run in found]) for name in found[0]}
    table = Table("figure", "median (least to greatest)", *(f"seed {seed}" for seed in seeds), title=title)
    for name, spread in medians.items():
        table.add_row(name, _cell(spread), *(f"{run[name]:.4g}" for run in found))
    Console().print(table)
    print(json.dumps({"benchmark": title, "machine": machine(), "seeds": list(seeds), "figures": _rounded(medians)}))


def machine() -> str:
    """Processor and Python, in words."""
    return f"{os.cpu_count()} cores {platform.machine()}, {platform.system()}, Python {platform.python_version()}"


def _spread(values: Sequence[float]) -> dict[str, float]:
    return {"median": statistics.median(values), "least": min(values), "greatest": max(values)}


def _rounded(value: Any) -> Any:
    """Numbers with five digits, so that the JSON line stays readable."""
    if isinstance(value, float):
        return float(f"{value:.5g}")
    return {key: _rounded(each) for key, each in value.items()} if isinstance(value, dict) else value


def _cell(spread: Mapping[str, float]) -> str:
    return f"{spread['median']:.4g} ({spread['least']:.4g} to {spread['greatest']:.4g})"
