"""What the benchmarks of learning share: commands of the documents as they are, each of them once, and their cost."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from harness import children_cpu_s

_VOCABULARY = "configs/demo/vocab.txt"


def call(*arguments: str) -> None:
    """Run Python with these arguments, without its tables."""
    subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL)


def build_shapes(
    folder: Path, text: str, seed: int, num_clips: int, num_unseen: int, media: Sequence[str] = ()
) -> None:
    """Clips of shapes with a kind of text: `train`, `val`, and `unseen`, which is val in random order. media: options
    of what is made of the clips."""
    for split, count in (("train", num_clips), ("val", num_unseen)):
        shape = ["--split", split, "--text", text, "--num-clips", str(count), "--seed", str(seed)]
        call("-m", "tools", "build", "shapes", *shape, *media, "--out", str(folder / split))
    # kinds of clips take turns: in that order the clip before, which `swapped` shows, is never of the same kind
    call("-m", "tools", "reshard", str(folder / "val"), "--shuffle", str(seed), "--out", str(folder / "unseen"))


def write_kinds(file: Path, text: str, num_clips: int) -> None:
    """A side table with the kind of each training clip of shapes: move, count or order."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    from tools.datasets.shapes import KINDS

    keys = [f"train-{text}-{number:06d}" for number in range(num_clips)]
    kinds = [KINDS[number % len(KINDS)] for number in range(num_clips)]
    pq.write_table(pa.table({"key": keys, "scene": kinds}), file)


def write_vocabulary(file: Path, more: Iterable[str]) -> None:
    """That of the demo, and the words that it lacks."""
    words = Path(_VOCABULARY).read_text().split()
    file.write_text("\n".join([*words, *sorted(set(more) - set(words))]) + "\n")


def write_config(file: Path, tree: dict[str, Any]) -> Path:
    """The file; JSON is YAML."""
    file.write_text(json.dumps(tree, indent=1) + "\n")
    return file


def train_once(config: Path, more: Sequence[str] = ()) -> dict[str, float]:
    """Train by a config unless that is done; seconds of CPU and wall, which are kept beside it."""
    costs = config.with_suffix(".json")
    if not costs.is_file():
        wall, cpu = time.perf_counter(), children_cpu_s()
        call("train.py", "--config", str(config), *more)
        took = {"cpu_s": children_cpu_s() - cpu, "s": time.perf_counter() - wall}
        costs.write_text(json.dumps(took) + "\n")
    return dict(json.loads(costs.read_text()))


def score_once(config: Path, run: Path, controls: Sequence[str], out: Path) -> None:
    """Score a run's last checkpoint on val under the controls that have no scores in `out` yet."""
    missing = [name for name in controls if not (scores_of(out, name) / "metrics.json").is_file()]
    if missing:
        asked = ["--config", str(config), "--checkpoint", str(run), "--split", "val", "--select", "latest"]
        call("-m", "mcg.evaluate", *asked, *(f"--control={name}" for name in missing), "--out", str(out))


def scores_of(out: Path, control: str) -> Path:
    """The folder of the scores under a control."""
    return out if control == "none" else out / control


def metrics_of(out: Path, control: str = "none") -> dict[str, Any]:
    """What was measured under a control."""
    return dict(json.loads((scores_of(out, control) / "metrics.json").read_text()))


def predictions_of(out: Path, control: str = "none") -> list[dict[str, Any]]:
    """What was predicted of each element under a control."""
    lines = (scores_of(out, control) / "predictions.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines]


def cider_of(out: Path, control: str = "none") -> tuple[float, float]:
    """CIDEr under a control as a share of the references' own, and that: the mean over the videos of the first caption
    against all, itself included."""
    from mcg.metrics.captions import caption_scores

    references = {one["id"]: one["references"] for one in predictions_of(out, control)}
    firsts = {key: each[0] for key, each in references.items()}
    own = float(caption_scores(references, firsts, with_meteor=False).metrics["CIDEr"])
    return metrics_of(out, control)["CIDEr"] / own, own
