"""Answer a question about a system: `with_NAME.py VERB JSON`; the verbs are the same for all."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
import zlib
from collections.abc import Callable, Iterable
from dataclasses import replace
from itertools import pairwise
from typing import Any

from peers.process_memory import children, cpu_seconds, held_mb, smaps_mb
from question import Batch, Question, number_of

Figures = dict[str, Any]
Batches = Callable[[Question], Iterable[Batch]]
EDGE = 8
"""The running pass is what lies between its first eighth and its last: buffers are as full at its end as at its
beginning, so that what was read and decoded ahead is not missing in its CPU time."""
EXIT_S = 5


def main(load: Callable[[], None], batches: Batches) -> None:
    """Answer the question of the command line; importing is in no figure but its own."""
    verb, text = sys.argv[1:3]
    began = time.perf_counter()
    load()
    imported = time.perf_counter() - began
    figures = VERBS[verb](batches, Question(**json.loads(text)))
    if verb == "first":
        figures |= {"import_s": imported, "with_imports_s": imported + figures["first_batch_s"]}
    if verb == "measure":
        figures |= {"import_s": imported, "pass_with_imports_s": imported + figures["pass_s"]}
    print("\n" + json.dumps(figures), flush=True)
    # Some systems wait for their workers forever; the answer is printed already.
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.alarm(EXIT_S)


def measure(batches: Batches, question: Question) -> Figures:
    """One pass from opening to the end: as a whole, its start, and the running pass."""
    wall, cpu = time.perf_counter(), _cpu()
    count, ticks, marks, first_cpu = 0, [], [], 0.0
    edges = [question.samples // EDGE, question.samples - question.samples // EDGE]
    for _, records in batches(question):
        count += len(records)
        ticks.append(time.perf_counter())
        if len(ticks) == 1:
            first_cpu = _cpu() - cpu
        if len(marks) < 2 and count >= edges[len(marks)]:
            marks.append((count, time.perf_counter(), _cpu()))
    end, end_cpu = time.perf_counter(), _cpu()
    assert count == question.samples, f"{count} samples instead of {question.samples}"
    running, running_s, running_cpu = (b - a for a, b in zip(*marks, strict=True))
    gaps = sorted(b - a for a, b in pairwise(tick for tick in ticks if marks[0][1] <= tick <= marks[1][1])) or [0.0]
    all_gaps = sorted(b - a for a, b in pairwise(ticks)) or [0.0]
    return {
        "per_cpu_s": running / running_cpu,
        "per_s": running / running_s,
        "whole_per_cpu_s": count / (end_cpu - cpu),
        "whole_per_s": count / (end - wall),
        "first_batch_s": ticks[0] - wall,
        "first_batch_cpu_s": first_cpu,
        "pass_s": end - wall,
        "cpu_s": end_cpu - cpu,
        "mean_gap_ms": 1e3 * sum(gaps) / len(gaps),
        "p99_gap_ms": 1e3 * gaps[int(len(gaps) * 0.99)],
        "whole_p99_gap_ms": 1e3 * all_gaps[int(len(all_gaps) * 0.99)],
        "processes": 1 + len(children()),
    }


def check(batches: Batches, question: Question) -> Figures:
    """The content of a pass, whatever its order: how many samples, the sum of their numbers, and of all checksums."""
    count = numbers = checksum = 0
    for media, records in batches(question):
        for medium, record in zip(media, records, strict=True):
            number = number_of(record)
            count, numbers = count + 1, numbers + number
            checksum += zlib.crc32(bytes(medium) if isinstance(medium, bytes) else memoryview(_flat(medium)), number)
    return {"samples": count, "numbers": numbers, "checksum": checksum}


def memory(batches: Batches, question: Question) -> Figures:
    """PSS of all processes beyond this one's after the imports, in ten looks; anonymous: without mapped files."""
    before, held, done = _held(), [], 0
    while done < question.batches:
        for _ in batches(question):
            done += 1
            if done % max(1, question.batches // 10) == 0:
                held.append(_held())
            if done == question.batches:
                break
    added = [(all_ - before[0], anonymous - before[1]) for all_, anonymous in held]
    return {
        "imported_mb": before[0],
        "added_mb": added[-1][0],
        "anonymous_mb": added[-1][1],
        "most_mb": max(all_ for all_, _ in added),
        "growth_mb": added[-1][0] - added[0][0],
    }


def first(batches: Batches, question: Question) -> Figures:
    """The first batch from opening on; after a first batch of `warm`, so that all modules are imported."""
    if question.warm:
        next(iter(batches(replace(question, url=question.warm))))
    wall, cpu = time.perf_counter(), _cpu()
    _, records = next(iter(batches(question)))
    assert len(records) == question.batch
    return {"first_batch_s": time.perf_counter() - wall, "first_batch_cpu_s": _cpu() - cpu}


VERBS = {"measure": measure, "check": check, "memory": memory, "first": first}


def _flat(medium: Any) -> Any:
    return medium.numpy().reshape(-1) if hasattr(medium, "numpy") else medium.reshape(-1)


def _cpu() -> float:
    """CPU seconds of this process and of all that it started, running or waited for."""
    return cpu_seconds() + sum(map(_cpu_of, children()))


def _cpu_of(pid: int) -> float:
    try:
        with open(f"/proc/{pid}/stat") as file:
            fields = file.read().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")


def _held() -> tuple[float, float]:
    pids = [os.getpid(), *children()]
    return sum(smaps_mb(pid, "Pss") for pid in pids), held_mb(pids)
