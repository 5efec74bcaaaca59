"""The numbers of a demo, as summary.json holds them: costs, datasets, both runs, scores without and with controls."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mcg.report.run_folder import Lines, read_lines, run_facts
from shards.base import MissingFile
from shards.dataset import DATASET_FILE
from shards.storage import open_source

RUNS = {"pretrain": "pt", "finetune": "ft"}
"""Name in the summary -> folder of the run."""
SCORED = ("none", "black", "shuffled", "reversed")
"""Controls under which the test split is scored (mcg/scoring/controls.py)."""
_OPPOSITE = {"left": "right", "right": "left", "up": "down", "down": "up"}


def summarise(folder: Path, costs: Mapping[str, Mapping[str, float]], datasets: Mapping[str, Any]) -> dict[str, Any]:
    """The summary of a demo folder. costs: seconds and memory of each part; datasets: what `datasets_of` gives."""
    test = folder / "ft" / "evaluation" / "test"
    metrics = json.loads((test / "metrics.json").read_text())
    controls = {c: json.loads((test / c / "metrics.json").read_text()) for c in SCORED if c != "none"}
    seconds = {part: cost["seconds"] for part, cost in costs.items()}
    return {
        "seconds": {**seconds, "total": round(sum(seconds.values()), 1)},
        "largest_process_gb": max((cost["largest_process_gb"] for cost in costs.values()), default=0.0),
        "datasets": datasets,
        **{name: run_facts(read_lines(folder / run / "log.jsonl")) for name, run in RUNS.items()},
        "test": {
            "accuracy": metrics["accuracy"],
            "baseline": metrics["baseline"],
            "num_scored": metrics["num_scored"],
            "num_failed": metrics["num_failed"],
            "controls": {
                **{name: scores["accuracy"] for name, scores in controls.items()},
                "reversed_says_opposite": opposite_share(read_lines(test / "reversed" / "predictions.jsonl")),
            },
        },
    }


def datasets_of(data: str, names: Sequence[str]) -> dict[str, dict[str, int]]:
    """Rows, samples and quarantined samples of those datasets below a folder or URL prefix that are there."""
    found = {}
    for name in sorted(names):
        if DATASET_FILE not in files_in(f"{data}/{name}"):
            continue
        facts = json.loads(open_source(f"{data}/{name}").read(DATASET_FILE))
        samples, quarantined = facts["num_samples"], facts["num_quarantined"]
        found[name] = {"rows": samples + quarantined, "samples": samples, "quarantined": quarantined}
    return found


def files_in(folder: str) -> list[str]:
    """The names in a folder or under a URL prefix; none where there is no such place."""
    try:
        return open_source(folder).list()
    except MissingFile:
        return []


def opposite_share(predictions: Lines) -> float:
    """Share of direction questions that are answered with the opposite of the true direction."""
    directions = [p for p in predictions if p["type"] == "direction"]
    return sum(p["prediction"] == _OPPOSITE.get(p["answer"]) for p in directions) / max(1, len(directions))
