"""The account of a conversion as a table: a line for each kind of key, layers taken together, faults first."""

from __future__ import annotations

import re
from collections.abc import Iterable

from rich.table import Table
from rich.text import Text

from mcg.convert.account import Conversion, Entry
from shards.base import cell

_ORDER = ("unexpected", "missing", "dropped", "used")
_STYLES = {"unexpected": "red", "missing": "yellow", "dropped": "dim", "used": "green"}


def table(conversion: Conversion) -> Table:
    """The table: status, number of keys, their name (with the first and last layer's number), ours, shape, remark."""
    counts = ", ".join(f"{number} {status}" for status, number in conversion.counts().items())
    made = Table(title=f"{conversion.family.title}: {counts}")
    for column in ("status", "keys", "key", "becomes", "shape", "remark"):
        made.add_column(column, overflow="fold", justify="right" if column == "keys" else "left")
    for group in _grouped(conversion.entries):
        first = group[0]
        style = "red" if first.is_fault else _STYLES[first.status]
        ours = Text("\n").join(cell(_with_range(names)) for names in zip(*(entry.ours for entry in group), strict=True))
        key = _with_range([entry.key for entry in group])
        shape = " x ".join(map(str, first.shape)) or "scalar"
        status = Text(first.status, style)
        made.add_row(status, str(len(group)), cell(key), ours, shape, cell(first.note))
    return made


def _grouped(entries: Iterable[Entry]) -> list[list[Entry]]:
    """Entries in groups that differ only in numbers."""
    groups: dict[tuple[str, ...], list[Entry]] = {}
    for entry in entries:
        ours = tuple(_numberless(name) for name in entry.ours)
        alike = (entry.status, _numberless(entry.key), str(entry.shape), _numberless(entry.note), *ours)
        groups.setdefault(alike, []).append(entry)
    return sorted(groups.values(), key=lambda group: _ORDER.index(group[0].status))


def _numberless(name: str) -> str:
    return re.sub(r"\.\d+(?=\.)", ".#", name)


def _with_range(names: Iterable[str]) -> str:
    """One name for several that differ in their layer: layer.{0..11}."""
    names = list(names)
    numbers = [[int(n) for n in re.findall(r"\.(\d+)(?=\.)", name)] for name in names]
    ranges = iter(zip(*numbers, strict=True))

    def told(_: re.Match[str]) -> str:
        values = next(ranges)
        low, high = min(values), max(values)
        return f".{low}" if low == high else f".{{{low}..{high}}}"

    return re.sub(r"\.\d+(?=\.)", told, names[0])
