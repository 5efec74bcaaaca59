"""Charts for pages: each small enough for a phone, its lines told apart by their dashes as well as by their colour."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from mcg.engine.record.trackers import NO_LOSSES
from mcg.report.run_folder import Lines

_DASHES = ["-", "--", ":", "-."]
_COLOURS = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#000000"]
"""Okabe and Ito's, which eyes with any colour vision tell apart."""
_LOOKS = [(_DASHES[n % 4], _COLOURS[(n + n // 12) % 6]) for n in range(24)]
_POINTS = 400
"""Points of a line; a longer run is averaged in so many parts."""
Points = Sequence[tuple[float, float]]


class _Chart(NamedTuple):
    """A picture of lines over the steps of runs."""

    title: str
    png: str
    """In base64."""


def curves(runs: Mapping[str, Lines]) -> list[_Chart]:
    """Of each run the losses by objective, and the share of time spent waiting for data."""
    made = []
    for name, lines in runs.items():
        steps = _steps(lines)
        names = [objective for objective in steps[0]["losses"] if objective not in NO_LOSSES]
        losses = {o: [(s["step"], s["losses"][o]) for s in steps if o in s["losses"]] for o in names}
        made.append(_chart(f"{name}: loss by objective", losses, yscale="log"))
        waiting = {"": [(step["step"], 100 * step["data_wait_share"]) for step in steps]}
        made.append(_chart(f"{name}: waiting for data, % of the step", waiting, ylim=(0, 100)))
    return made


def dataset_curves(runs: Mapping[str, Lines]) -> list[_Chart]:
    """The total loss by dataset, and samples per second, of all runs on one step axis."""
    losses: dict[str, list[tuple[float, float]]] = {}
    for name, lines in runs.items():
        prefix = f"{name}: " if len(runs) > 1 else ""
        for step in _steps(lines):
            place = prefix + (step.get("dataset") or "mixed batches")
            losses.setdefault(place, []).append((step["step"], step["losses"]["total"]))
    rates = {name: [(s["step"], s["elements_per_second"]) for s in _steps(lines)] for name, lines in runs.items()}
    return [_chart("total loss by dataset", losses, yscale="log"), _chart("samples per second", rates, ylim=(0, None))]


def _steps(lines: Lines) -> Lines:
    return [line for line in lines if "losses" in line]


def _chart(title: str, lines: Mapping[str, Points], **axes_settings: Any) -> _Chart:
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    figure = Figure(figsize=(6.2, 3.6), layout="constrained")
    axes = figure.subplots()
    looks = _LOOKS * (len(lines) // len(_LOOKS) + 1)
    for (name, points), (dash, colour) in zip(lines.items(), looks, strict=False):
        x, y = zip(*_thinned(points), strict=True)
        axes.plot(x, y, label=name, linewidth=1.6, linestyle=dash, color=colour)
    axes.set(xlabel="step", **axes_settings)
    axes.set_title(title, parse_math=False)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(alpha=0.3)
    if any(lines):
        for text in axes.legend(fontsize=9).get_texts():
            text.set_parse_math(False)
    out = io.BytesIO()
    figure.savefig(out, format="png", dpi=120)
    return _Chart(title, base64.b64encode(out.getvalue()).decode())


def _thinned(points: Points) -> list[tuple[float, float]]:
    """The means of equal parts."""
    size = max(1, -(-len(points) // _POINTS))
    parts = [points[start : start + size] for start in range(0, len(points), size)]
    return [(sum(x for x, _ in part) / len(part), sum(y for _, y in part) / len(part)) for part in parts]
