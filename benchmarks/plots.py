"""Bar charts of what the benchmarks beside the peers found, small enough for docs/.

    PYTHONPATH=. python benchmarks/bench_tiny.py --json results.jsonl    # and the others, into one file
    PYTHONPATH=. python benchmarks/plots.py results.jsonl --out docs

Writes beside_peers.svg (a panel for each benchmark that is in the file, its last result), faults.svg (the scorecard)
and decoding.svg (bench_decode.py). Bars are medians, lines reach from the least to the greatest value; ours has its own
colour.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("svg")
import matplotlib.pyplot as plt

PANELS = {
    "tiny 100 batch 32": ("per_cpu_s", "whole loader, 100-byte samples, batch 32: samples per CPU-second", False),
    "jpeg 320x256": ("per_cpu_s", "whole loader, JPEG 320x256 to 224: pictures per CPU-second", False),
    "link 1 GB batch 32": ("pass_s", "object store, 1 GB cold, 50 MB/s a connection: seconds", False),
    "read": ("samples_per_cpu_s", "local read below the loader: samples per CPU-second", False),
    "start": ("first_batch_s", "opening to the first batch, s", True),
    "resume": ("first_batch_s", "resume: state to the first batch, s", True),
    "memory": ("added_mb", "memory beyond the import, MB", False),
    "shuffle": ("shards_per_batch", "shards in a batch of 32", False),
}
"""Benchmark -> (figure, title, logarithmic)."""
DECODING = {
    "decode corpus": ("clips_per_cpu_s", "97 H.264 clips of the corpus: clips per CPU-second", False),
    "decode gop60": ("clips_per_cpu_s", "H.264, 640x360, 10 s, a key frame every 60 frames", False),
    "decode vp9": ("clips_per_cpu_s", "VP9, 640x360, 10 s", False),
    "decode forms": ("clips_per_cpu_s", "forms of storage", False),
}
"""The same, of decoding.svg."""
OURS, OTHERS = "#1f6fb4", "#b8bec6"
COLORS = {"pass": "#5aa469", "fail": "#d1495b", "n/a": "#e3e6ea", "broken": "#000000"}


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("results", type=Path)
    options.add_argument("--out", type=Path, default=Path("docs"))
    chosen = options.parse_args()
    results = {}
    for line in chosen.results.read_text().splitlines():
        result = json.loads(line)
        results[result["benchmark"]] = result
    matplotlib.rcParams.update({"font.size": 7, "svg.fonttype": "none", "svg.hashsalt": "shards"})
    for file, panels in (("beside_peers.svg", PANELS), ("decoding.svg", DECODING)):
        there = [name for name in panels if name in results]
        if there:
            # At key frames some sets are ten times as fast; the panel of the forms tells it.
            shown = {n: {k: v for k, v in results[n]["cases"].items() if k != "ours, snapped"} for n in there}
            bars(chosen.out / file, [(shown[name], *panels[name]) for name in there])
    if "faults" in results:
        scorecard(chosen.out / "faults.svg", results["faults"]["faults"])


def bars(path: Path, panels: list[tuple[dict[str, Any], str, str, bool]]) -> None:
    """One panel below the other, as high as it has bars."""
    heights = [len(cases) + 2 for cases, *_ in panels]
    figure, axes = plt.subplots(
        len(panels), 1, figsize=(6.5, 0.16 * sum(heights)), height_ratios=heights, squeeze=False, layout="constrained"
    )
    for axis, (cases, name, title, logarithmic) in zip(axes[:, 0], panels, strict=True):
        labels = list(cases)
        spreads = [cases[label][name] for label in labels]
        medians = [spread["median"] for spread in spreads]
        least = [max(0.0, spread["median"] - spread["least"]) for spread in spreads]
        greatest = [max(0.0, spread["greatest"] - spread["median"]) for spread in spreads]
        colors = [OURS if label.startswith("ours") else OTHERS for label in labels]
        axis.barh(labels, medians, xerr=[least, greatest], color=colors, error_kw={"linewidth": 0.7})
        for row, (median, more) in enumerate(zip(medians, greatest, strict=True)):
            text = f" {median:,.0f}" if median >= 1000 else f" {median:.3g}"
            axis.annotate(text, (median + more, row), va="center", xytext=(3, 0), textcoords="offset points")
        if logarithmic:
            axis.set_xscale("log")
        axis.margins(x=0.12)
        axis.invert_yaxis()
        axis.set_title(title, loc="left", fontsize=8)
        axis.spines[["top", "right"]].set_visible(False)
    _save(figure, path)


def scorecard(path: Path, faults: dict[str, dict[str, dict[str, str]]]) -> None:
    """A square for each fault and system."""
    systems = list(next(iter(faults.values())))
    figure, axis = plt.subplots(figsize=(5.5, 0.2 * len(faults) + 0.5), layout="constrained")
    for row, cells in enumerate(faults.values()):
        for column, system in enumerate(systems):
            result = cells[system]["result"]
            axis.add_patch(plt.Rectangle((column - 0.47, row - 0.44), 0.94, 0.88, color=COLORS[result]))
            axis.text(column, row, result, ha="center", va="center", color="#555" if result == "n/a" else "white")
    axis.set_xticks(range(len(systems)), systems)
    axis.set_yticks(range(len(faults)), list(faults))
    axis.set(xlim=(-0.5, len(systems) - 0.5), ylim=(len(faults) - 0.5, -0.5))
    axis.tick_params(length=0, top=True, labeltop=True, bottom=False, labelbottom=False)
    axis.spines[:].set_visible(False)
    _save(figure, path)


def _save(figure: Any, path: Path) -> None:
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)
    print(f"{path}: {path.stat().st_size / 1e3:.0f} KB")


if __name__ == "__main__":
    main()
