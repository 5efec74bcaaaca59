"""Loader statistics for others to read: Prometheus text and JSON lines.

Promises: a pure function of a snapshot; the Prometheus text follows the exposition format 0.0.4, so node_exporter's
textfile collector takes the file that `write_metrics` leaves, whole or not at all. Counters start with the loader:
give a snapshot of a whole run, not of an interval. The JSON line has quantiles, and fits intervals as well.
Gives up: a server of its own, and metrics of other ranks (label each rank's file instead).
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from shards.loader.snapshot import Snapshot

_LABEL = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
_TAKEN = ("stage", "outcome", "le", "by", "reason")
_OUTCOMES = ("planned", "delivered", "failed", "substituted", "padded")
_QUANTILES = {"p50": 0.5, "p90": 0.9, "p99": 0.99}


def to_prometheus(snapshot: Snapshot, labels: Mapping[str, str | int] | None = None) -> str:
    """The snapshot as Prometheus text; labels (rank, run, ...) go on every line. ValueError for an impossible label."""
    own = {name: str(value) for name, value in (labels or {}).items()}
    for name in own:
        if not _LABEL.fullmatch(name) or name.startswith("__") or name in _TAKEN:
            raise ValueError(
                f"label {name!r}: must match [A-Za-z_][A-Za-z0-9_]*, must not begin with __, and must be none of "
                f"{', '.join(_TAKEN)}, which the metrics use; rename it"
            )
    queue, counts = snapshot.queue, snapshot.accounting
    lines: list[str] = []

    def metric(name: str, kind: str, text: str, values: Iterable[tuple[str, dict[str, str], float]]) -> None:
        lines.extend((f"# HELP {name} {text}", f"# TYPE {name} {kind}"))
        lines.extend(f"{name}{suffix}{_labels(own | more)} {_number(value)}" for suffix, more, value in values)

    metric(
        "shards_loader_stage_seconds",
        "histogram",
        "Duration of one run of a stage of the loader; wait is the consumer's.",
        _histograms(snapshot),
    )
    items = ((("", {"stage": stage}, times.items)) for stage, times in snapshot.times.items())
    metric("shards_loader_stage_items_total", "counter", "Elements (wait: batches) that went through a stage.", items)
    elements = (("", {"outcome": name}, getattr(counts, name)) for name in _OUTCOMES)
    metric("shards_loader_elements_total", "counter", "Elements of this rank by what became of them.", elements)
    for name, kind, text, value in (
        ("failed_attempts_total", "counter", "Failures, those of substitutes included.", counts.failed_attempts),
        ("given_up_total", "counter", "Clips given up because decoding took too long.", snapshot.given_up),
        ("replaced_threads_total", "counter", "Threads that hung in the decoder.", snapshot.replaced_threads),
        ("batches_total", "counter", "Batches handed over.", snapshot.num_batches),
        ("asked_total", "counter", "Times that the consumer asked for a batch.", queue.asked),
        ("asked_empty_total", "counter", "Times that it found no finished batch.", queue.empty),
        ("queue_ready_batches", "gauge", "Finished batches when the consumer last asked.", queue.last_ready),
        ("queue_batches", "gauge", "Batches finished or in the making then.", queue.last_batches),
        ("queue_bytes", "gauge", "Decoded bytes that these held.", queue.last_bytes),
        ("elapsed_seconds_total", "counter", "Wall seconds since the loader was made.", snapshot.elapsed),
    ):
        metric(f"shards_loader_{name}", kind, text, [("", {}, value)])
    text = "CPU time of the threads of this process's loaders."
    metric("shards_loader_cpu_seconds_total", "counter", text, [("", {}, snapshot.cpu_seconds)])
    lost, error = snapshot.contention.lost_share, snapshot.contention.lost_error
    if lost is not None and error is not None:
        text = "Share of the training steps' time that the loader's CPU took from them, waiting not counted."
        metric("shards_loader_lost_share", "gauge", text, [("", {}, lost)])
        metric("shards_loader_lost_share_error", "gauge", "Twice its standard error.", [("", {}, error)])
    if snapshot.decoded:
        clips = (("", _way(way), count) for way, count in snapshot.decoded.items())
        text = "Clips by what decoded them and, where the CPU stood in for another decoder, why."
        metric("shards_loader_decoded_total", "counter", text, clips)
    for name, value in snapshot.traffic.items():
        metric(
            f"shards_source_{name}_total", "counter", f"{name.replace('_', ' ')} of remote sources.", [("", {}, value)]
        )
    return "\n".join(lines) + "\n"


def to_json_line(snapshot: Snapshot, labels: Mapping[str, str | int] | None = None) -> str:
    """The snapshot, of a run or of an interval, as one line of JSON (without the line's end); times are seconds."""
    queue = snapshot.queue
    content: dict[str, Any] = {
        **(labels or {}),
        "elapsed": round(snapshot.elapsed, 6),
        "num_batches": snapshot.num_batches,
        "wait_share": round(snapshot.wait_share, 4),
        "lost_share": _rounded(snapshot.contention.lost_share),
        "lost_error": _rounded(snapshot.contention.lost_error),
        "cpu_seconds": round(snapshot.cpu_seconds, 6),
        "slowest_stage": snapshot.slowest,
        "stages": {
            stage: {
                "count": times.count,
                "items": times.items,
                "items_per_second": round(snapshot.items_per_second(stage), 3),
                "seconds": round(times.seconds, 6),
                **{name: float(f"{times.quantile(share):.3g}") for name, share in _QUANTILES.items()},
            }
            for stage, times in snapshot.times.items()
        },
        "queue": {
            "mean_ready": round(queue.mean_ready, 3),
            "empty": queue.empty,
            "last_ready": queue.last_ready,
            "last_batches": queue.last_batches,
            "last_bytes": queue.last_bytes,
        },
        "elements": asdict(snapshot.accounting),
        "given_up": snapshot.given_up,
        "replaced_threads": snapshot.replaced_threads,
        **({"decoded": snapshot.decoded} if snapshot.decoded else {}),
        **({"source": snapshot.traffic} if snapshot.traffic else {}),
    }
    return json.dumps(content, ensure_ascii=True)


def write_metrics(path: str | Path, text: str) -> None:
    """Replace a file at once: a collector that reads it meets the old text or the new, never half of one."""
    aside = Path(f"{path}.{os.getpid()}.tmp")  # no name that a collector picks up (*.prom)
    try:
        aside.write_text(text, encoding="utf-8")
        os.replace(aside, path)
    finally:
        aside.unlink(missing_ok=True)


def _histograms(snapshot: Snapshot) -> Iterable[tuple[str, dict[str, str], float]]:
    for stage, times in snapshot.times.items():
        of_stage = {"stage": stage}
        for number, (seconds, runs) in enumerate(times.octaves()):
            if number % 2 == 0:  # every second octave: 16 lines a stage
                yield "_bucket", of_stage | {"le": _number(seconds)}, runs
        yield "_bucket", of_stage | {"le": "+Inf"}, times.count
        yield "_sum", of_stage, times.seconds
        yield "_count", of_stage, times.count


def _way(way: str) -> dict[str, str]:
    by, _, reason = way.partition(": ")
    return {"by": by, "reason": reason}


def _labels(labels: Mapping[str, str]) -> str:
    if not labels:
        return ""
    escaped = ((n, v.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")) for n, v in labels.items())
    return "{" + ",".join(f'{name}="{value}"' for name, value in escaped) + "}"


def _rounded(share: float | None) -> float | None:
    return None if share is None else round(share, 4)


def _number(value: float) -> str:
    return str(value) if isinstance(value, int) else repr(float(value))
