"""`python -m tools report DATASET`: a page about a dataset to look at and to search; tools/report/ does the work."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import typer

from shards.base import complain
from shards.cli import (
    DEBUG_OPTION,
    JSON_OPTION,
    PROBLEMS,
    ROOTS_OPTION,
    emit,
    facts_table,
    human_bytes,
    num_cores,
    one_line_errors,
    open_dataset,
    show_progress,
)


def report(
    path: str = typer.Argument(metavar="DATASET", help="Folder or URL (s3://..., memory://...) of a dataset."),
    out: Path = typer.Option(
        metavar="FOLDER", help="Folder for the page and its files; an earlier report is replaced."
    ),
    samples: int = typer.Option(48, "--samples", "-n", min=0, max=10_000, help="Samples that are shown."),
    texts: int = typer.Option(10_000, min=0, help="Samples whose texts are counted."),
    rows: int = typer.Option(1_000_000, min=0, help="Samples in the list of all; it takes about 30 bytes a sample."),
    seed: int = typer.Option(0, min=0, help="Seed of the draw; the same seed draws the same samples."),
    jobs: int | None = typer.Option(None, min=1, help="Samples decoded at a time.  [default: the CPU cores]"),
    root: list[str] | None = ROOTS_OPTION,
    as_json: bool = JSON_OPTION,
    debug: bool = DEBUG_OPTION,
) -> None:
    """Make the page of a dataset: clips that play, texts, distributions, quarantine, licence, provenance.

    FOLDER/index.html opens from a disk and from any web server; it fetches nothing from elsewhere. Media are shown
    as short films made here, so that formats which no browser plays are seen too.

    \b
    Examples:
      python -m tools report data/webvid/train --out report/webvid
      python -m tools report s3://bucket/webvid/train --out report/webvid --samples 200 --seed 7

    \b
    Exit codes: 0 done, 1 drawn samples that cannot be shown (their cards say why), 2 wrong usage.
    """
    with one_line_errors(debug):
        dataset = open_dataset(path, "stats", root)
        from tools.report.report import report_dataset

        total = min(samples, int(dataset.index.dataset["num_samples"]))
        with show_progress("report", total, "samples") as progress:
            made = report_dataset(
                dataset,
                out,
                samples=samples,
                texts=texts,
                rows=rows,
                seed=seed,
                jobs=jobs or num_cores(),
                progress=progress,
            )
        facts = [
            ("samples", f"{made.num_samples:,}"),
            ("shown", f"{made.num_shown:,}"),
            ("listed", f"{made.num_listed:,}"),
            ("whose texts were read", f"{made.num_texts_read:,}"),
            ("that cannot be shown", f"{len(made.bad):,}"),
            ("size", f"{human_bytes(made.bytes)} in {made.num_files:,} files"),
        ]
        emit(asdict(made), as_json, facts_table(made.page, facts))
        if made.bad:
            more = f" (the first of {len(made.bad)} that cannot be shown)" if len(made.bad) > 1 else ""
            complain(f"{dataset.url}: {made.bad[0]}{more}")
            raise typer.Exit(PROBLEMS)
