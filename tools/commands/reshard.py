"""`python -m tools reshard SOURCE... --out OUT`: datasets in other shards, order or company."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal

import typer

from shards.cli import DEBUG_OPTION, JSON_OPTION, ROOTS_OPTION, one_line_errors, show_progress
from tools.cli.engines import THREADS_OPTION, chosen_engine
from tools.cli.summary import STOPPED, finish

if TYPE_CHECKING:
    from tools.reshard.reshard import ReshardReport

_PrefixBy = Literal["dataset", "shard", "both"]

RESHARD_HELP = """Copy samples of datasets into other shards: size, order, subset, splits, merge.

\b
Examples:
  python -m tools reshard data/webvid --out data/webvid_small --where 'duration <= 10' --samples-per-shard 500
  python -m tools reshard data/webvid --out data/webvid_shuffled --shuffle 7
  python -m tools reshard data/webvid data/cc3m --out data/both --prefix dataset --shuffle 0
  python -m tools reshard data/webvid --out data/webvid_parts --split train=0.98,val=0.02
  python -m tools reshard data/webvid --out plain --webdataset

Members are copied byte for byte; the index, also of tars of other tools, says what it said before, and nothing is
probed again. A run that was killed goes on when the same command is given again; one that is finished has nothing to
do. docs/resharding.md says more.

\b
Exit codes: 0 done, 1 an error, or more quarantined than --max-quarantined, 2 wrong usage, 3 a bug, 130 stopped.
"""


def reshard(
    sources: list[str] = typer.Argument(
        metavar="SOURCE...", help="Folders or URLs of datasets (other tars: shards index first)."
    ),
    out: str = typer.Option(help="Folder or URL prefix (s3://...); with --split a folder in it for each split."),
    name: str | None = typer.Option(None, help="The dataset's name.  [default: those of the sources]"),
    samples_per_shard: int = typer.Option(1000, min=1, help="Most samples in a tar."),
    bytes_per_shard: int = typer.Option(1 << 30, min=1, help="Most bytes of a tar, unless one sample has more."),
    shuffle: int | None = typer.Option(None, min=0, metavar="SEED", help="Order by a hash of seed and key."),
    where: str | None = typer.Option(None, help="Only these samples, as in configs: 'duration > 2 and width >= 224'."),
    exclude: list[str] | None = typer.Option(None, metavar="LIST", help="Exclusion list; may be given repeatedly."),
    split: str | None = typer.Option(
        None, metavar="NAME=FRACTION,...", help="Datasets of their own by a hash of the key: train=0.98,val=0.02."
    ),
    prefix: _PrefixBy | None = typer.Option(None, help="Put these names before keys, where keys are not unique."),
    webdataset: bool = typer.Option(False, "--webdataset", help="Tars alone, without an index."),
    threads: int | None = THREADS_OPTION,
    max_quarantined: int | None = typer.Option(None, min=0, help="Exit with 1 above so many quarantined samples."),
    root: list[str] | None = ROOTS_OPTION,
    as_json: bool = JSON_OPTION,
    debug: bool = DEBUG_OPTION,
) -> None:
    with one_line_errors(debug, STOPPED):
        from tools.reshard.reshard import Arrangement
        from tools.reshard.reshard import reshard as rearrange
        from tools.reshard.splits import read_splits

        arrangement = Arrangement(
            samples_per_shard, bytes_per_shard, shuffle, where, tuple(exclude or ()), prefix, not webdataset
        )
        splits = read_splits(split)
        with (
            chosen_engine("threads", None, threads) as engine,
            show_progress("reshard", None, "samples") as progress,
        ):
            report = rearrange(
                sources, out, arrangement, splits, name=name, engine=engine, progress=progress, roots=root or ()
            )
    places = f"{report.out}/*/quarantine.jsonl" if splits else f"{report.out}/quarantine.jsonl"
    finish(
        report,
        as_json,
        source=", ".join(report.sources),
        quarantine=places,
        max_quarantined=max_quarantined,
        facts=_facts(report),
    )


def _facts(report: ReshardReport) -> Iterator[tuple[str, str]]:
    yield "samples of the sources", f"{report.num_in:,}"
    yield "  left out", f"{report.num_left_out:,}"
    if report.num_quarantined_before:
        yield "  quarantined there before, not among them", f"{report.num_quarantined_before:,}"
    for split, found in report.splits.items():
        yield f"split {split}", f"{found['num_samples']:,} samples, {found['num_shards']:,} shards"
