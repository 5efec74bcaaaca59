"""Verbs that measure passes: read, once, start, memory."""

from __future__ import annotations

import os
import time
from itertools import pairwise
from typing import Any

from process_memory import children, command_line, cpu_seconds, held_mb, peak_mb, smaps_mb
from protocol import Figures, Options, Stream, number_of


def read(load: Any, open_stream: Any, options: Options) -> Figures:
    """Speed of whole passes: one warm-up pass, then as many as fit into `seconds`."""
    load()
    stream = open_stream(options)
    warm = _one_pass(stream)
    passes, wall, cpu = 0, time.perf_counter(), cpu_seconds()
    while (spent := time.perf_counter() - wall) < options.seconds:
        assert _one_pass(stream) == warm, "a pass differs from the one before"
        passes += 1
    spent_cpu = cpu_seconds() - cpu
    num_samples, num_bytes = warm
    return {
        "samples": num_samples,
        "bytes": num_bytes,
        "samples_per_s": passes * num_samples / spent,
        "samples_per_cpu_s": passes * num_samples / spent_cpu,
    }


def _one_pass(stream: Stream) -> tuple[int, int]:
    num_samples = num_bytes = 0
    for medium, _ in stream:
        num_samples += 1
        num_bytes += len(medium)
    return num_samples, num_bytes


def once(load: Any, open_stream: Any, options: Options) -> Figures:
    """One cold pass, as a remote dataset is first read: opening is timed, importing is not."""
    load()
    wall, cpu = time.perf_counter(), cpu_seconds()
    stream = open_stream(options)
    num_samples = num_bytes = 0
    ticks = []
    for medium, _ in stream:
        num_samples += 1
        num_bytes += len(medium)
        if num_samples % options.batch == 0:
            ticks.append(time.perf_counter())
    spent, spent_cpu = time.perf_counter() - wall, cpu_seconds() - cpu
    tenth = len(ticks) // 10
    middle = ticks[-1 - tenth] - ticks[tenth] if len(ticks) > 10 else 0.0
    gaps = sorted(b - a for a, b in pairwise(ticks)) or [0.0]
    close = getattr(stream, "close", None)
    if close:
        close()
    return {
        "samples": num_samples,
        "bytes": num_bytes,
        "first_batch_s": ticks[0] - wall if ticks else spent,
        "pass_s": spent,
        "cpu_s": spent_cpu,
        "mb_per_s": num_bytes / spent / 1e6,
        "middle_mb_per_s": num_bytes * (len(ticks) - 1 - 2 * tenth) / len(ticks) / middle / 1e6 if middle else 0.0,
        "p99_gap_ms": 1e3 * gaps[min(len(gaps) - 1, int(len(gaps) * 0.99))],
    }


def start(load: Any, open_stream: Any, options: Options) -> Figures:
    """Time of importing, and of opening up to the first batch."""
    wall = time.perf_counter()
    load()
    loaded = time.perf_counter()
    samples = iter(open_stream(options))
    first = [number_of(next(samples)[1]) for _ in range(options.batch)]
    return {
        "import_s": loaded - wall,
        "first_batch_s": time.perf_counter() - loaded,
        "peak_mb": peak_mb(),
        "first": first,
    }


def memory(load: Any, open_stream: Any, options: Options) -> Figures:
    """Memory of all processes of the system after `stop_after` samples, without that of importing."""
    load()
    before = held_mb([os.getpid()])
    stream = open_stream(options)
    count, early = 0, 0.0
    samples = iter(())
    while count < options.stop_after:
        try:
            next(samples)
        except StopIteration:
            samples = iter(stream)
            continue
        count += 1
        if count == options.stop_after // 10:
            early = held_mb([os.getpid(), *children()])
    pids = children()
    after = held_mb([os.getpid(), *pids])
    workers = [smaps_mb(pid, "Private_Dirty") for pid in pids if "tracker" not in command_line(pid)]
    return {
        "imported_mb": before,
        "added_mb": after - before,
        "growth_mb": after - early,
        "worker_mb": sum(workers) / len(workers) if workers else 0.0,
    }
