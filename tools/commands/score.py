"""`python -m tools score DATASET --scorer NAME --out FILE.parquet`: a table of scores; tools/scores/ does the work."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from shards.base import Engine, complain, in_processes, say
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
    show_progress,
)
from tools.cli.engines import ADDRESS_OPTION, chosen_engine
from tools.rows import OptionError

if TYPE_CHECKING:
    from tools.scores.score import ScoreReport

SCORE_HELP = """Score every sample of a dataset, and write the scores beside it as a side table (docs/scoring.md).

\b
Examples:
  python -m tools score --list
  python -m tools score data/webvid --scorer brightness --scorer motion --scorer blur --out data/webvid_scores.parquet
  python -m tools score s3://bucket/webvid --scorer clip --checkpoint models/clip-vit-b-32 --out clip.parquet
  python -m tools score data/webvid --scorer my_scores:aesthetic --engine processes --out aesthetic.parquet

The shards are read once for all scorers and never written. Every sample has a row; one that cannot be decoded or scored
has nulls and stands in FILE.parquet.quarantine.jsonl with the reason. A run that was killed goes on when the same
command is given again; one that is finished has nothing to do.

\b
Exit codes: 0 done, 1 an error, or more failed than --max-quarantined, 2 wrong usage, 3 a bug, 130 stopped.
"""


def score(
    dataset: str | None = typer.Argument(None, metavar="DATASET", help="Folder or URL (s3://...) of a dataset."),
    scorer: list[str] | None = typer.Option(None, help="A name of --list, or module:function; may be repeated."),
    out: str | None = typer.Option(None, metavar="FILE.parquet", help="The side table to write, a local file."),
    frames: int = typer.Option(8, min=1, max=256, help="Frames of each sample, evenly spread; fewer if it is short."),
    size: int = typer.Option(224, min=16, max=2048, help="Pixels of the short side to which frames are scaled."),
    checkpoint: Path | None = typer.Option(None, help="Of clip: the local folder of a checkpoint of transformers."),
    device: str = typer.Option("cpu", help="Of clip: where the model runs, as torch names it (cuda)."),
    engine: str = typer.Option("threads", help="threads; processes, for functions that keep Python busy; or ray."),
    address: str | None = ADDRESS_OPTION,
    threads: int | None = typer.Option(None, min=1, help="Threads or processes.  [default: all cores]"),
    list_: bool = typer.Option(False, "--list", help="Show the scorers and stop."),
    max_quarantined: int | None = typer.Option(None, min=0, help="Exit with 1 above so many failed samples."),
    root: list[str] | None = ROOTS_OPTION,
    as_json: bool = JSON_OPTION,
    debug: bool = DEBUG_OPTION,
) -> None:
    with one_line_errors(debug, "stopped; what was scored stays, the same command goes on after it"):
        if list_:
            _show_scorers(as_json)
            return
        if dataset is None or out is None:
            raise OptionError("give DATASET and --out FILE.parquet; --help has examples")
        from tools.scores.score import score as run
        from tools.scores.work import Scoring

        work = Scoring(dataset, tuple(root or ()), tuple(scorer or ()), frames, size, checkpoint, device)
        with _engine(engine, address, threads) as chosen, show_progress("score", None, "samples") as progress:
            report = run(work, out, engine=chosen, progress=progress)
        _finish(report, as_json, max_quarantined)


@contextmanager
def _engine(kind: str, address: str | None, threads: int | None) -> Iterator[Engine]:
    """The engine that the options name: one of chosen_engine, or processes of this machine. Raises what it raises."""
    if kind == "processes" and address is None:
        yield in_processes(threads or num_cores())
        return
    with chosen_engine(kind, address, threads) as engine:
        yield engine


def _show_scorers(as_json: bool) -> None:
    from tools.scores.scorers import SCORERS

    own = ("module:function", "any Python function (frames, records, facts) -> number, text, None or dict of them")
    emit(SCORERS, as_json, facts_table("scorers", [*SCORERS.items(), own]))


def _finish(report: ScoreReport, as_json: bool, max_quarantined: int | None) -> None:
    quarantine = f"{report.out}.quarantine.jsonl"
    rows = [("samples", f"{report.num_rows:,}")]
    if report.num_resumed and not report.finished_before:
        rows.append(("  of an earlier run", f"{report.num_resumed:,}"))
    rows += [("with all values", f"{report.num_scored:,}"), ("with nulls", f"{report.num_failed:,}")]
    rows += [(f"  {stage}", f"{count:,}") for stage, count in report.failed.items()]
    rows += [(f"column {name}", kind) for name, kind in report.columns.items()]
    rows.append(("seconds", f"{report.seconds:.1f}"))
    if report.finished_before and not as_json:
        say(f"nothing to do: {report.out} holds this already, finished and made in the same way")
    emit(report.to_dict(), as_json, facts_table(f"{report.name} -> {report.out}", rows))
    if not as_json:
        print_examples(f"failed (all in {quarantine})", report.examples, report.num_failed)
    if max_quarantined is not None and report.num_failed > max_quarantined:
        complain(f"{report.num_failed} samples failed, --max-quarantined allows {max_quarantined}; see {quarantine}")
        raise typer.Exit(PROBLEMS)
