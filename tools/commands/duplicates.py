"""`python -m tools duplicates DATASET ...`: find media that show the same; tools/duplicates/ does the work."""

from __future__ import annotations

from pathlib import Path

import typer

from shards.cli import (
    DEBUG_OPTION,
    JSON_OPTION,
    PROBLEMS,
    ROOTS_OPTION,
    emit,
    facts_table,
    num_cores,
    one_line_errors,
    print_examples,
)
from tools.cli.found import FAIL_OPTION, HASHES_OPTION, JOBS_OPTION, SHOWN_OPTION, found_rows

DUPLICATES_HELP = """Find media that show the same: equal bytes, and near-duplicates by the looks of their frames.

Re-encoded, scaled, slowed, mirrored, cropped by about a tenth, or with a logo: such pairs are found within and between
all datasets given. OUT/pairs.parquet has the pairs, OUT/exclude.jsonl what a loader is to leave out (all of a group but
its largest), OUT/report.html shows the pairs to look at. docs/duplicates.md says what is found and what is not.

\b
Examples:
  python -m tools duplicates data/samples/webvid --out data/duplicates
  python -m tools duplicates web=s3://bucket/web cc=data/cc3m --out data/duplicates --jobs 16

Looks are kept in OUT/hashes, so a run that was killed goes on, and a second one only compares. Exit codes: 0 done, 1 an
error, or pairs were found and --fail is given, 2 wrong usage, 3 a bug, 130 stopped.
"""


def duplicates(
    datasets: list[str] = typer.Argument(metavar="DATASET...", help="Folders or URLs, or NAME=PATH as in a blend."),
    out: Path = typer.Option(metavar="FOLDER", help="Folder for what is found."),
    hashes: Path | None = HASHES_OPTION,
    shown: int = SHOWN_OPTION,
    jobs: int | None = JOBS_OPTION,
    fail: bool = FAIL_OPTION,
    root: list[str] | None = ROOTS_OPTION,
    as_json: bool = JSON_OPTION,
    debug: bool = DEBUG_OPTION,
) -> None:
    """Find media that show the same."""
    with one_line_errors(debug, "stopped; what was looked at stays, the same command goes on after it"):
        from shards.base import in_processes
        from tools.duplicates.find import find_duplicates

        engine = in_processes(jobs or num_cores())
        found = find_duplicates(datasets, out, engine=engine, hashes=hashes, roots=root or (), shown=shown)
    rows = [*found_rows(found), ("groups", f"{found.groups:,}"), ("left out (exclude.jsonl)", f"{found.excluded:,}")]
    emit(found.to_dict(), as_json, facts_table(f"duplicates -> {found.out}", rows))
    if not as_json:
        print_examples("not compared", found.examples, sum(found.not_looked_at.values()))
    if fail and found.pairs:
        raise typer.Exit(PROBLEMS)
