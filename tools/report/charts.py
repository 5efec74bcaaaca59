"""Small charts as SVG inside a page: a histogram of numbers, and bars of names.

Every chart says its numbers in words beside the bars, and no meaning is carried by colour alone.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

from shards.base import printable
from shards.cli import Distribution, Names

_BARS = 28
_WIDTH, _HEIGHT = 280, 84
_NAMES_SHOWN = 8
_WIDE = 30.0
"""Ratio of the 99th percentile to the first above which the axis of a histogram is logarithmic."""


class _Histogram(NamedTuple):
    """A histogram of numbers."""

    title: str
    svg: str
    """Markup made here, of numbers alone."""
    low: str
    high: str
    note: str


class _Bars(NamedTuple):
    """Bars of the commonest names."""

    title: str
    rows: list[tuple[str, str, str, str]]
    """(name, count, share, SVG of the bar)."""


def histogram(title: str, numbers: Distribution, show: Callable[[float], str], unit: str = "") -> _Histogram | None:
    """A histogram; None where there are no numbers. show: a number as text."""
    if not numbers.count:
        return None
    facts = numbers.to_dict()
    low, high = numbers.percentile(0.5), numbers.percentile(99.5)
    low, high = (facts["min"], facts["max"]) if high <= low else (low, high)
    edges, scale = _edges(float(low), float(high), all(isinstance(facts[name], int) for name in ("min", "max")))
    counts = numbers.counts(edges)
    beyond = numbers.count - sum(counts)
    parts = [f"median {show(facts['p50'])}", f"from {show(facts['min'])} to {show(facts['max'])}", scale]
    if beyond > 0:
        parts.append(f"{beyond:,} outside the bars")
    end = f" {unit}" if unit else ""
    first, last = (edges[0], edges[-1]) if scale or edges[1] - edges[0] != 1 else (edges[0] + 0.5, edges[-1] - 0.5)
    return _Histogram(title, _svg(counts), show(first) + end, show(last) + end, "; ".join(filter(None, parts)))


def bars(title: str, names: Names) -> _Bars | None:
    """Bars of names; None where there are none."""
    found = names.commonest(_NAMES_SHOWN)
    total = names.total
    if not found:
        return None
    most = found[0][1]
    rows = [_row(printable(name, 60), count, total, _bar(count / most)) for name, count in found]
    rest = total - sum(count for _, count in found)
    if rest:
        rows.append(_row("all others", rest, total, ""))
    return _Bars(title, rows)


def _row(name: str, count: int, total: int, bar: str) -> tuple[str, str, str, str]:
    return name, f"{count:,}", f"{100 * count / total:.3g} %", bar


def _edges(low: float, high: float, whole: bool) -> tuple[list[float], str]:
    """The edges of the bars, and what is to be said of the axis."""
    if low > 1e-6 and high / low > _WIDE:
        step = (high / low) ** (1 / _BARS)
        return [low * step**number for number in range(_BARS)] + [high], "logarithmic axis"
    if whole and high - low < _BARS:
        return [value - 0.5 for value in range(int(low), int(high) + 2)], ""
    high = high if high > low else low + max(1.0, abs(low) / 2)
    step = (high - low) / _BARS
    return [low + step * number for number in range(_BARS)] + [high], ""


def _svg(counts: Sequence[int]) -> str:
    most = max(counts) or 1
    width = _WIDTH / len(counts)
    shapes = []
    for number, count in enumerate(counts):
        if count:
            height = max(1.5, _HEIGHT * count / most)
            shapes.append(
                f'<rect x="{number * width:.2f}" y="{_HEIGHT - height:.1f}" width="{max(width - 1, 1):.2f}" '
                f'height="{height:.1f}"><title>{count:,}</title></rect>'
            )
    return (
        f'<svg class="chart" viewBox="0 0 {_WIDTH} {_HEIGHT + 1}" preserveAspectRatio="none" role="img">'
        f'{"".join(shapes)}<line x1="0" x2="{_WIDTH}" y1="{_HEIGHT + 0.5}" y2="{_HEIGHT + 0.5}"/></svg>'
    )


def _bar(share: float) -> str:
    width = max(1.0, math.floor(1000 * share) / 10)
    return f'<svg class="bar" viewBox="0 0 100 10" preserveAspectRatio="none"><rect width="{width}" height="10"/></svg>'
