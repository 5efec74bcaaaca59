"""`python -m shards stats PATH`: what a dataset is made of, from its index alone; no shard is opened.

Promises: the index is read row group by row group, and memory stays bounded, whatever the dataset's size
(distributions.py).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from shards.base.printing import cell
from shards.cli.exit_codes import one_line_errors
from shards.cli.options import DEBUG_OPTION, JSON_OPTION, PATH_ARGUMENT, ROOTS_OPTION
from shards.cli.output import emit
from shards.cli.progress import show_progress
from shards.cli.units import human_bytes
from shards.cli.verbs.distributions import Distribution, Names
from shards.cli.verbs.open_dataset import Dataset, open_dataset, warn_of_missing_facts
from shards.cli.verbs.tables import damaged, group_tables
from shards.dataset.index.member_columns import MemberColumns

if TYPE_CHECKING:
    import pyarrow as pa
    from rich.console import RenderableType

_COLUMNS = (
    *("member_ext", "member_size", "num_records"),
    *("kind", "codec", "width", "height", "num_frames", "fps", "duration"),
)
_SHOWN = 8
_BAR = 30


def stats(
    path: str = PATH_ARGUMENT,
    root: list[str] | None = ROOTS_OPTION,
    as_json: bool = JSON_OPTION,
    debug: bool = DEBUG_OPTION,
) -> None:
    """Count and measure: samples, bytes, sizes, records, codecs, resolutions, durations, frame rates.

    Reads the index only, so it takes seconds for millions of samples and works on a remote dataset.

    \b
    Examples:
      python -m shards stats data/webvid
      python -m shards stats s3://bucket/webvid --json

    \b
    Exit codes: 0 fine, 1 the index is damaged, 2 wrong usage.
    """
    with one_line_errors(debug):
        dataset = open_dataset(path, "stats", root)
        warn_of_missing_facts(dataset.index)
        found = _collect(dataset)
        emit(found, as_json, _tables(found))


def _collect(dataset: Dataset) -> dict[str, Any]:
    """All figures of a dataset. Raises DatasetError, SourceError."""
    totals = _Totals()
    with show_progress("stats", int(dataset.index.dataset["num_samples"]), "samples") as progress:
        for table in group_tables(dataset, _COLUMNS):
            try:
                totals.add(table)
            except ValueError as error:
                raise damaged(dataset, str(error)) from error
            progress.advance(table.num_rows)
    shards = dataset.index.shards
    per_shard, shard_bytes = Distribution(), Distribution()
    per_shard.add(shards.num_samples)
    shard_bytes.add(shards.bytes)
    about = dataset.index.dataset
    return {
        "dataset": dataset.name,
        "url": dataset.url,
        "verified": dataset.verified,
        "num_shards": len(shards),
        "num_samples": about["num_samples"],
        "num_elements": about["num_elements"],
        "num_quarantined": about.get("num_quarantined"),
        "bytes": int(shards.bytes.sum()),
        "samples_per_shard": per_shard.to_dict(),
        "bytes_per_shard": shard_bytes.to_dict(),
        **totals.to_dict(),
    }


class _Totals:
    """Sums over the rows of the index."""

    def __init__(self) -> None:
        self.sample_bytes, self.num_records = Distribution(), Distribution()
        self.member_bytes: dict[str, Distribution] = {}
        self.unknown_records = self.unknown_media = 0
        self.names = {name: Names() for name in ("records", "kind", "codec", "resolution", "duration", "fps")}
        self.numbers = {name: Distribution() for name in ("duration", "fps", "num_frames", "width", "height")}

    def add(self, table: pa.Table) -> None:
        """Add the rows of a table. Raises ValueError where its member columns do not fit each other."""
        self._add_members(table)
        records = _array(table, "num_records")
        self.unknown_records += int((records < 0).sum())
        self.num_records.add(records)
        _count(self.names["records"], ["unknown" if number < 0 else str(number) for number in records.tolist()])
        known = _array(table, "width") > 0
        self.unknown_media += int((~known).sum())
        table = table.filter(known)
        kind = np.array(table.column("kind").to_pylist(), dtype=object)
        _count(self.names["kind"], kind.tolist())
        _count(self.names["codec"], table.column("codec").to_pylist())
        sizes = zip(_array(table, "width").tolist(), _array(table, "height").tolist(), strict=True)
        _count(self.names["resolution"], [f"{width}x{height}" for width, height in sizes])
        video = kind != "image"
        _count(
            self.names["fps"], [f"{fps:.2f}".rstrip("0").rstrip(".") for fps in _array(table, "fps")[video].tolist()]
        )
        _count(self.names["duration"], [_span(seconds) for seconds in _array(table, "duration")[video].tolist()])
        for name, numbers in self.numbers.items():
            values = _array(table, name)
            numbers.add(values if name in ("width", "height") else values[video])

    def _add_members(self, table: pa.Table) -> None:
        members = MemberColumns(table)
        sizes = members.numbers("member_size")
        sample = np.repeat(np.arange(table.num_rows), np.diff(members.starts))
        self.sample_bytes.add(np.bincount(sample, sizes, table.num_rows))
        for code, ext in enumerate(members.names):
            if ext not in self.member_bytes and len(self.member_bytes) >= _SHOWN * _SHOWN:
                ext = "other"
            self.member_bytes.setdefault(ext, Distribution()).add(sizes[members.ext == code])

    def to_dict(self) -> dict[str, Any]:
        by_total = sorted(self.member_bytes.items(), key=lambda item: -item[1].total)
        return {
            "sample_bytes": self.sample_bytes.to_dict(),
            "member_bytes": {ext: numbers.to_dict() for ext, numbers in by_total},
            "records_per_sample": {**self.num_records.to_dict(), "unknown": self.unknown_records},
            "media": {
                "unknown": self.unknown_media,
                **{name: numbers.to_dict() for name, numbers in self.numbers.items()},
            },
            "distributions": {
                name: _by_span(names.to_dict()) if name == "duration" else names.to_dict()
                for name, names in self.names.items()
            },
        }


def _array(table: pa.Table, name: str) -> NDArray[Any]:
    return np.asarray(table.column(name).to_numpy())


def _count(names: Names, values: Sequence[str]) -> None:
    counts = Counter(values)
    names.add(counts.keys(), counts.values())


_SPANS = (0, 1, 2, 4, 8, 15, 30, 60, 120, 300, 600, 1800, 3600)


def _span(seconds: float) -> str:
    """The span of a duration, e.g. "2-4 s"."""
    if not (math.isfinite(seconds) and seconds >= 0):
        return "unknown"
    for low, high in pairwise(_SPANS):
        if seconds < high:
            return f"{low}-{high} s"
    return f"{_SPANS[-1]} s or more"


def _by_span(counts: dict[str, int]) -> dict[str, int]:
    order = [_span(low) for low in _SPANS]
    return dict(sorted(counts.items(), key=lambda item: order.index(item[0]) if item[0] in order else len(order)))


def _tables(found: dict[str, Any]) -> RenderableType:
    from rich.console import Group

    charts = [_chart(name, counts) for name, counts in found["distributions"].items() if counts]
    return Group(_counts(found), _sizes(found), *charts)


def _counts(found: dict[str, Any]) -> RenderableType:
    from rich.table import Table

    table = Table(title=cell(f"{found['dataset']} at {found['url']}"), title_justify="left", show_header=False)
    table.add_column()
    table.add_column(justify="right")
    for label, name in (("shards", "num_shards"), ("samples", "num_samples"), ("records", "num_elements")):
        table.add_row(label, f"{found[name]:,}" if found[name] >= 0 else "unknown")
    if found["num_quarantined"]:
        table.add_row("rows quarantined when it was built", f"{found['num_quarantined']:,}")
    for label, number in (
        ("samples with an unknown number of records", found["records_per_sample"]["unknown"]),
        ("samples without media facts", found["media"]["unknown"]),
    ):
        if number:
            table.add_row(label, f"{number:,}")
    table.add_row("bytes", f"{found['bytes']:,} ({human_bytes(found['bytes'])})")
    table.add_row("checksums", "yes" if found["verified"] else "no (indexed with --headers)")
    return table


def _sizes(found: dict[str, Any]) -> RenderableType:
    from rich.table import Table

    table = Table(title="Sizes", title_justify="left")
    columns = ("min", "p50", "p90", "p99", "max", "total")
    table.add_column("")
    for column in ("count", *columns):
        table.add_column(column, justify="right")

    def add(label: str, numbers: dict[str, Any], show: Any) -> None:
        if numbers["count"]:
            cells = [show(numbers[column]) for column in columns]
            table.add_row(cell(label, 40), f"{numbers['count']:,}", *cells)

    add("bytes per sample", found["sample_bytes"], human_bytes)
    for ext, numbers in list(found["member_bytes"].items())[:_SHOWN]:
        add(f"  .{ext}", numbers, human_bytes)
    add("bytes per shard", found["bytes_per_shard"], human_bytes)
    add("samples per shard", found["samples_per_shard"], _number)
    add("records per sample", found["records_per_sample"], _number)
    for name, unit in (("duration", ", s"), ("num_frames", ""), ("fps", ""), ("width", ""), ("height", "")):
        add(name.removeprefix("num_") + unit, {**found["media"][name], "total": None}, _number)
    return table


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:,}" if isinstance(value, int) else f"{value:,.2f}"


def _chart(name: str, counts: dict[str, int]) -> RenderableType:
    """A bar for each of the commonest values."""
    from rich.table import Table

    titles = {"records": "records per sample"}
    table = Table(title=titles.get(name, name), title_justify="left", show_header=False, box=None)
    table.add_column(min_width=14)
    table.add_column(justify="right")
    table.add_column(justify="right")
    table.add_column()
    total, most = sum(counts.values()), max(counts.values())
    shown = list(counts.items())[: _SHOWN if name != "duration" else None]
    rest = total - sum(count for _, count in shown)
    for label, count in [*shown, *([("the rest", rest)] if rest else [])]:
        bar = "█" * round(_BAR * count / max(most, rest)) or "▏"
        table.add_row(cell(label, 40), f"{count:,}", f"{100 * count / total:.1f} %", bar)
    return table
