"""`python -m shards index`: make the index of tars that have none, or bring one up to date."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import typer

from shards.commands import output
from shards.printing import cell, say

if TYPE_CHECKING:
    from rich.console import RenderableType

    from shards.indexer import IndexReport

_NUM_SHOWN = 20


def index(
    tars: str = typer.Argument(
        metavar="PATTERN_OR_FOLDER", help="Folder, 'x/{000..999}.tar' or 'x/*.tar'; local or a URL."
    ),
    out: str | None = typer.Option(None, help="Folder or URL for the index.  [default: beside the tars]"),
    name: str | None = typer.Option(None, help="Name of the dataset.  [default: that of the folder]"),
    headers: bool = typer.Option(False, "--headers", help="Read tar headers only: fast, but no checksums."),
    media: bool = typer.Option(False, "--media", help="Open every medium for facts and GOP tables."),
    jobs: int | None = typer.Option(None, min=1, help="Processes.  [default: the CPU cores]"),
    strict: bool = typer.Option(False, "--strict", help="Stop at the first damaged tar."),
    as_json: bool = output.JSON,
    debug: bool = output.DEBUG,
) -> None:
    """Make the index of WebDataset tars, or bring it up to date; only new and changed tars are read.

    \b
    Examples:
      python -m shards index data/cc12m
      python -m shards index 's3://bucket/cc12m/{000000..001099}.tar' --media --out data/cc12m

    \b
    Exit codes: 0 fine, 1 tars were left out because they are damaged (or, with --strict, the run stopped at one), or a
    store failed, 2 wrong usage. A run that was stopped goes on when the same command is given again.
    """
    from shards.indexer import index_tars
    from shards.samples import Looks

    looks = Looks(checksums=not headers, media=media)
    stopped = "stopped; the same command goes on with the shards that are left"
    with output.one_line_errors(debug, stopped):
        with output.done_progress("shards") as on_shard:
            report = index_tars(tars, out, name, looks, jobs or output.num_cores(), strict, on_shard)
        show(report, as_json)


def show(report: IndexReport, as_json: bool) -> None:
    """Print what was done, and leave with code 1 when tars were left out."""
    output.emit(report.to_dict(), as_json, _table(report))
    for reason in list(report.damaged.values())[:_NUM_SHOWN]:
        say(f"left out: {reason}", sys.stderr)
    if len(report.damaged) > _NUM_SHOWN:
        say(f"left out: {len(report.damaged) - _NUM_SHOWN} more, see provenance in dataset.json", sys.stderr)
    if report.damaged:
        raise typer.Exit(output.PROBLEMS)


def _table(report: IndexReport) -> RenderableType:
    from rich.table import Table

    table = Table("", "", show_header=False)
    for label, value in report.to_dict().items():
        if label != "damaged":
            table.add_row(label.removeprefix("num_"), f"{value:,}" if isinstance(value, int) else cell(value))
    table.add_row("left out", str(len(report.damaged)))
    return table
