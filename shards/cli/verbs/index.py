"""`python -m shards index`: make the index of tars that have none, or bring one up to date."""

from __future__ import annotations

import sys
from itertools import islice
from typing import TYPE_CHECKING

import typer

from shards.base.errors import UsageError
from shards.base.printing import complain, say
from shards.cli.engine_choice import ADDRESS_OPTION, ENGINE_OPTION, EngineName, chosen_engine
from shards.cli.exit_codes import PROBLEMS, one_line_errors
from shards.cli.options import DEBUG_OPTION, JSON_OPTION, ROOTS_OPTION, num_cores
from shards.cli.output import emit, facts_table
from shards.cli.progress import show_progress
from shards.cli.verbs.index_progress import IndexProgress
from shards.dataset.members.rules import KeyFrom, KeyUntil, read_options

if TYPE_CHECKING:
    from rich.console import RenderableType

    from shards.dataset.indexing.index_report import IndexReport

_NUM_SHOWN, _NUM_REASONS = 20, 5


def index(
    tars: str = typer.Argument(
        metavar="PATTERN_OR_FOLDER", help="Folder, 'x/{000..999}.tar' or 'x/*.tar'; local or a URL."
    ),
    out: str | None = typer.Option(None, help="Folder or URL for the index.  [default: beside the tars]"),
    name: str | None = typer.Option(None, help="Name of the dataset.  [default: that of the folder]"),
    headers: bool = typer.Option(False, "--headers", help="Read tar headers only: fast, but no checksums."),
    media: bool | None = typer.Option(
        None,
        "--media/--no-media",
        help="Open every medium for facts and GOP tables, which clips need.  [default: --media, unless --headers]",
    ),
    media_members: str | None = typer.Option(
        None, metavar="NAMES", help="The medium, best first: input.jpg,video,image.  [default: video,frames,image]"
    ),
    text_field: str | None = typer.Option(
        None, metavar="NAMES", help="Fields of the json with the text, as in captions.en; '' if no text is needed."
    ),
    text_members: str | None = typer.Option(
        None, metavar="NAMES", help="Members with the text, best first.  [default: json,txt]"
    ),
    key_until: KeyUntil = typer.Option("first_dot", help="Where in a member's name the key ends."),
    key_from: KeyFrom = typer.Option("path", help="Whether folders in a member's name belong to the key."),
    max_quarantined: float = typer.Option(
        0.5, min=0, max=1, help="Share of quarantined samples above which the exit code is 1."
    ),
    shard: str | None = typer.Option(
        None, metavar="I/N", help="Index part I of N alone, for job arrays; `merge` joins all N."
    ),
    jobs: int | None = typer.Option(None, min=1, help="Processes.  [default: the CPU cores]"),
    engine: EngineName = ENGINE_OPTION,
    address: str | None = ADDRESS_OPTION,
    strict: bool = typer.Option(False, "--strict", help="Stop at the first damaged tar."),
    root: list[str] | None = ROOTS_OPTION,
    as_json: bool = JSON_OPTION,
    debug: bool = DEBUG_OPTION,
) -> None:
    """Make the index of WebDataset tars, or bring it up to date; only new and changed tars are read.

    \b
    Examples:
      python -m shards index data/cc12m
      python -m shards index 's3://bucket/cc12m/{000000..001099}.tar' --out data/cc12m
      python -m shards index data/clips --key-until last_dot --text-field captions.en
      python -m shards index data/cc12m --shard 3/16
      python -m shards index s3://bucket/cc12m --out data/cc12m --engine ray --address 10.0.0.1:6379

    \b
    Exit codes: 0 fine, 1 tars were left out because they are damaged (or, with --strict, the run stopped at one), more
    samples were quarantined than --max-quarantined (or all of them), or a store failed, 2 wrong usage. A run that was
    stopped goes on when the same command is given again.
    """
    from shards.dataset.indexing.indexer import index_tars
    from shards.dataset.indexing.part import read_part
    from shards.dataset.tars.looks import Looks

    said = {"media": media_members, "text_field": text_field, "text_members": text_members}
    said |= {"key_until": key_until, "key_from": key_from}
    stopped = "stopped; the same command goes on with the shards that are left"
    with one_line_errors(debug, stopped):
        rules = read_options(said)
        looks = Looks(checksums=not headers, media=not headers if media is None else media, rules=rules)
        part, num_jobs = read_part(shard), jobs or num_cores()
        if engine != "processes" and jobs:
            raise UsageError(f"--jobs {jobs}: with --engine {engine} the cluster decides; leave --jobs out")
        unit = "tars" if headers else "bytes"
        with chosen_engine(engine, address) as found, show_progress("index", None, unit) as progress:
            shown = IndexProgress(progress, looks, num_jobs, quiet=as_json)
            report = index_tars(
                tars,
                out,
                name,
                looks,
                num_jobs,
                strict,
                shown.on_tar,
                root or (),
                on_start=shown.on_start,
                part=part,
                engine=found,
            )
        show(report, as_json, max_quarantined)


def show(report: IndexReport, as_json: bool, max_quarantined: float = 1.0) -> None:
    """Print what was done, and leave with code 1 when tars were left out or too many samples quarantined."""
    emit(report.to_dict(), as_json, _table(report))
    for reason in list(report.damaged.values())[:_NUM_SHOWN]:
        say(f"left out: {reason}", sys.stderr)
    if len(report.damaged) > _NUM_SHOWN:
        say(f"left out: {len(report.damaged) - _NUM_SHOWN} more, see provenance in dataset.json", sys.stderr)
    if report.found:
        say(f"found: {report.found}", sys.stderr)
    for note, count in report.notes.items():
        say(f"{count:,} samples: {note}", sys.stderr)
    for count, example in islice(zip(report.quarantined.values(), report.examples, strict=True), _NUM_REASONS):
        say(f"{count:,} quarantined, as {example}", sys.stderr)
    share = report.share_quarantined
    too_many = share > max_quarantined or share == 1
    if too_many:
        of = f"{report.num_quarantined:,} of {report.num_rows:,} samples ({share:.1%})"
        allowed = f"; allowed are {max_quarantined:.1%}, see --max-quarantined" if report.num_samples else ""
        where = "the commonest reasons are above, all are in quarantine.jsonl there"
        complain(f"{report.out}: {of} are quarantined{allowed}; {where}")
    if report.damaged or too_many:
        raise typer.Exit(PROBLEMS)


def _table(report: IndexReport) -> RenderableType:
    rows = [
        (label.removeprefix("num_"), f"{value:,}" if isinstance(value, int) else _shown(value))
        for label, value in report.to_dict().items()
        if label not in ("damaged", "quarantined", "examples", "notes", "found", "finished_before")
    ]
    return facts_table(f"{report.name} -> {report.out}", [*rows, ("left out", str(len(report.damaged)))])


def _shown(value: object) -> str:
    return f"{value:.1f}" if isinstance(value, float) else str(value)
