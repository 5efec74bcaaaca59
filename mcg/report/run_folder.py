"""What a run's folder says of it: steps, starts, scores, predictions, quarantine; also while the run is under way."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mcg.engine.checkpoint import CheckpointError, find_checkpoint
from mcg.metrics import DETAILS
from shards.base import UsageError, logger

_logger = logger(__name__)

Lines = list[dict[str, Any]]
"""The lines of a JSON-lines file."""


@dataclass(frozen=True)
class Evaluation:
    """What RUN/evaluation/NAME holds."""

    metrics: dict[str, Any]
    predictions: Lines


@dataclass(frozen=True)
class Run:
    """A run of train.py."""

    name: str
    lines: Lines
    """Of log.jsonl."""
    evaluations: dict[str, Evaluation]
    """By the path below RUN/evaluation: test, test/black."""
    quarantine: Lines
    """Of all ranks."""
    config: dict[str, Any]
    """As it was last started with; empty for a run of an older version without a checkpoint."""

    @property
    def steps(self) -> Lines:
        return [line for line in self.lines if "losses" in line]

    @property
    def starts(self) -> Lines:
        return [{"step": line["step"], **line["started"]} for line in self.lines if "started" in line]

    @property
    def changes(self) -> Lines:
        return [line for line in self.lines if "changed" in line]

    @property
    def spikes(self) -> Lines:
        """Of the loss (mcg/engine/record/spikes.py), the largest first."""
        found = [line for line in self.lines if "spike" in line]
        return sorted(found, key=lambda line: -float(line["spike"]["deviations"]))

    def waits(self) -> dict[str, float]:
        """Seconds spent waiting for data, by the stage of the loader that was slowest in the step."""
        found: Counter[str] = Counter()
        for step in self.steps:
            found[str(step.get("slowest_stage") or "not told")] += step["seconds"] * step["data_wait_share"]
        return dict(found.most_common())

    def mix(self) -> dict[str, tuple[int, float, float]]:
        """Dataset -> steps, mean loss of the first tenth of them and of the last."""
        losses: dict[str, list[float]] = {}
        for step in self.steps:
            losses.setdefault(step.get("dataset") or "mixed batches", []).append(step["losses"]["total"])
        tenth = {name: max(1, len(values) // 10) for name, values in losses.items()}
        return {
            name: (len(values), _mean(values[: tenth[name]]), _mean(values[-tenth[name] :]))
            for name, values in sorted(losses.items(), key=lambda pair: -len(pair[1]))
        }

    def datasets(self) -> dict[str, str]:
        """Where the datasets of the config are, by name; of all uses, where a run has several."""
        found = {}
        for part in ((self.config.get("data") or {}), *(self.config.get("uses") or {}).values()):
            for split in ("train", "val", "test"):
                for dataset in (part.get(split) or {}).get("blend", ()):
                    found[str(dataset["name"])] = str(dataset["path"])
        return found


def read_run(folder: Path) -> Run:
    """The run of a folder. Raises UsageError where no step of a run is there."""
    log = folder / "log.jsonl"
    lines = read_lines(log) if log.is_file() else []
    if not any("losses" in line for line in lines):
        raise UsageError(f"{folder}: no step of a run is there (log.jsonl); name the run_dir of a run of train.py")
    evaluations = {}
    for place in sorted(file.parent for file in (folder / "evaluation").rglob("metrics.json")):
        metrics = _metrics(place / "metrics.json")
        if metrics is None:
            continue
        predictions = place / "predictions.jsonl"
        evaluations[str(place.relative_to(folder / "evaluation"))] = Evaluation(
            metrics, read_lines(predictions) if predictions.is_file() else []
        )
    quarantine = [line for file in sorted(folder.glob("quarantine-*.jsonl")) for line in read_lines(file)]
    return Run(folder.resolve().name, lines, evaluations, quarantine, _config(folder, lines))


def read_lines(file: Path) -> Lines:
    """The objects of a JSON-lines file; the last line of a run that is being written may be half one."""
    found = []
    for line in file.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            found.append(json.loads(line))
        except json.JSONDecodeError:
            continue
    return [line for line in found if isinstance(line, dict)]


def run_facts(lines: Lines) -> dict[str, Any]:
    """Steps, first and last loss, speed, waiting and failures of a run, from the lines of its log.jsonl."""
    steps = [line for line in lines if "losses" in line]
    seconds = sum(line["seconds"] for line in steps) or 1e-9
    waiting = sum(line["seconds"] * line["data_wait_share"] for line in steps)
    return {
        "steps": len(steps),
        "loss_first": steps[0]["losses"]["total"],
        "loss_last": steps[-1]["losses"]["total"],
        "seconds_in_steps": round(seconds, 1),
        "data_wait_share": round(waiting / seconds, 4),
        "loader_lost_share": steps[-1].get("loader_lost_share"),
        "loader_lost_error": steps[-1].get("loader_lost_error"),
        "loader_cpu_seconds": round(sum(step.get("loader_cpu_seconds", 0.0) for step in steps) / len(steps), 4),
        "elements_per_second": round(sum(s["elements_per_second"] * s["seconds"] for s in steps) / seconds, 1),
        "failed": sum(line["failed"] for line in steps),
    }


@dataclass(frozen=True)
class Number:
    """A number of an evaluation, with its interval of 95 % where there is one."""

    value: float
    interval: tuple[float, float] | None = None


def numbers(metrics: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, Number]]:
    """The numbers of a tree of metrics by dotted path."""
    whole, by_name = metrics.get("interval"), _mapping(metrics.get("intervals"))
    for name, value in metrics.items():
        if name in DETAILS:
            continue
        if isinstance(value, Mapping):
            known = {**by_name, **_mapping(value.get("intervals"))}
            yield from numbers({**value, "intervals": known} if known else value, f"{path}{name}.")
        elif isinstance(value, int | float):
            told = by_name.get(name, whole if name == "overall" else None)
            yield f"{path}{name}", Number(value, tuple(told) if told else None)


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _metrics(file: Path) -> dict[str, Any] | None:
    """The metrics of an evaluation; None for a file that is being written, or damaged, with a warning."""
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        _logger.warning("%s: not shown: %s", file, error)
        return None
    return found if isinstance(found, dict) else None


def _config(folder: Path, lines: Lines) -> dict[str, Any]:
    kept = [line["config"] for line in lines if line.get("config")]
    if kept:
        return dict(kept[-1])
    try:
        return find_checkpoint(folder).config
    except CheckpointError:
        return {}


def _mean(values: list[float]) -> float:
    return sum(values) / len(values)
