"""`python -m tools leaks --train A --eval B`: find training samples that evaluation has; tools/leaks/ does the work."""

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

LEAKS_HELP = """Find training samples whose video is in an evaluation set: by id, by equal bytes, by near-duplicate.

A side is datasets of shards, and annotation files (.json, .jsonl, .csv, .tsv, .txt, .parquet, .pkl) of which only the
ids are used: of a file with splits train for training, all others for evaluation. OUT/exclude.jsonl is what the loader
of the training side is to leave out, OUT/report.html shows the pairs. docs/duplicates.md says which ids are the same.

\b
Examples:
  python -m tools leaks --train data/webvid --train data/msrvtt/train --eval data/msrvtt/test --out data/leaks
  python -m tools leaks --train data/msvd_qa --eval test_list.txt --eval cap_val.json --id-map youtube_mapping.txt \\
      --out data/leaks --fail

\b
Exit codes: 0 done, 1 an error, or leaks were found and --fail is given, 2 wrong usage, 3 a bug, 130 stopped.
"""


def leaks(
    train: list[str] = typer.Option(metavar="PATH", help="Dataset or annotation file, or NAME=PATH; repeatable."),
    evaluation: list[str] = typer.Option(..., "--eval", metavar="PATH", help="The same of evaluation; repeatable."),
    out: Path = typer.Option(metavar="FOLDER", help="Folder for what is found."),
    id_map: Path | None = typer.Option(None, help="youtube_mapping.txt of MSVD, whose numbers and names it joins."),
    ids_only: bool = typer.Option(False, "--ids-only", help="Compare ids; read no media."),
    hashes: Path | None = HASHES_OPTION,
    shown: int = SHOWN_OPTION,
    jobs: int | None = JOBS_OPTION,
    fail: bool = FAIL_OPTION,
    root: list[str] | None = ROOTS_OPTION,
    as_json: bool = JSON_OPTION,
    debug: bool = DEBUG_OPTION,
) -> None:
    """Find training samples of which an evaluation set has the video."""
    with one_line_errors(debug, "stopped; what was looked at stays, the same command goes on after it"):
        from shards.base import in_processes
        from tools.leaks.find import find_leaks

        found = find_leaks(
            train,
            evaluation,
            out,
            engine=in_processes(jobs or num_cores()),
            id_map=id_map,
            ids_only=ids_only,
            hashes=hashes,
            roots=root or (),
            shown=shown,
        )
    rows = [*found_rows(found), ("training samples left out (exclude.jsonl)", f"{found.excluded:,}")]
    emit(found.to_dict(), as_json, facts_table(f"leaks -> {found.out}", rows))
    if not as_json:
        print_examples("not compared", found.examples, sum(found.not_looked_at.values()))
    if fail and found.pairs:
        raise typer.Exit(PROBLEMS)
