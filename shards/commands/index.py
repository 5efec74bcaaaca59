"""`python -m shards index`: make the index of tars that have none, or bring one up to date.

Exit codes: 0 fine; 1 tars were left out because they are damaged (or, with --strict, the run stopped at one), or a
store failed; 2 wrong usage.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from shards.commands import output

if TYPE_CHECKING:
    from shards.indexer import IndexReport

_NUM_SHOWN = 20


def index(
    tars: Annotated[
        str,
        typer.Argument(metavar="PATTERN_OR_FOLDER", help="Folder, 'x/{000..999}.tar' or 'x/*.tar'; local or a URL."),
    ],
    out: Annotated[str | None, typer.Option(help="Folder or URL for the index; default: beside the tars.")] = None,
    name: Annotated[str | None, typer.Option(help="Name of the dataset; default: that of the folder.")] = None,
    headers: Annotated[bool, typer.Option("--headers", help="Read tar headers only: fast, but no checksums.")] = False,
    media: Annotated[bool, typer.Option("--media", help="Open every medium for facts and GOP tables.")] = False,
    jobs: Annotated[int | None, typer.Option(min=1, help="Processes; default: one for each core.")] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Stop at the first damaged tar.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead of a table.")] = False,
) -> None:
    """Make the index of WebDataset tars, or bring it up to date; only new and changed tars are read.

    Example: python -m shards index 's3://bucket/cc12m/{000000..001099}.tar' --media --out /data/cc12m
    """
    from shards.indexer import index_tars
    from shards.samples import Looks

    looks = Looks(checksums=not headers, media=media)
    with complaining(), output.done_progress("shards") as on_shard:
        report = index_tars(tars, out, name, looks, jobs or output.num_cores(), strict, on_shard)
    show(report, as_json)


def show(report: IndexReport, as_json: bool) -> None:
    """Print what was done, and leave with code 1 when tars were left out."""
    from rich.console import Console
    from rich.table import Table

    if as_json:
        typer.echo(json.dumps(report.to_dict()))
    else:
        table = Table("", "", show_header=False)
        for label, value in report.to_dict().items():
            if label != "damaged":
                table.add_row(label.removeprefix("num_"), f"{value:,}" if isinstance(value, int) else _plain(value))
        table.add_row("left out", str(len(report.damaged)))
        Console(highlight=False, markup=False).print(table)
    for reason in list(report.damaged.values())[:_NUM_SHOWN]:
        typer.echo(f"left out: {_plain(reason)}", err=True)
    if len(report.damaged) > _NUM_SHOWN:
        typer.echo(f"left out: {len(report.damaged) - _NUM_SHOWN} more, see provenance in dataset.json", err=True)
    if report.damaged:
        raise typer.Exit(1)


@contextmanager
def complaining() -> Iterator[None]:
    """Turn what goes wrong inside into one message on stderr and an exit code."""
    from shards.index import DatasetError
    from shards.indexer import DamagedShard, PatternError
    from shards.source import SourceError
    from shards.target import WriteError

    try:
        yield
    except KeyboardInterrupt:
        typer.echo("error: stopped; the same command goes on with the shards that are left", err=True)
        raise typer.Exit(130) from None
    except (PatternError, DatasetError, SourceError, WriteError, DamagedShard) as error:
        typer.echo(f"error: {_plain(str(error))}", err=True)
        raise typer.Exit(2 if isinstance(error, PatternError | DatasetError | WriteError) else 1) from None


def _plain(text: str) -> str:
    """Lines that may hold names from data, safe for a terminal."""
    return "\n".join(output.printable(line) for line in text.split("\n"))
