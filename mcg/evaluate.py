"""Score a checkpoint on a split: every element once, on any number of ranks, failures counted as wrong.

    python -m mcg.evaluate --config configs/demo/ft_qa.yaml --checkpoint runs/demo/ft --split test
    python -m mcg.evaluate --config ... --checkpoint runs/demo/ft --select latest     instead of the best by val
    python -m mcg.evaluate --config ... --checkpoint runs/multi --use captions        one of several uses
    torchrun --nproc-per-node 2 -m mcg.evaluate ...

Writes OUT/metrics.json, OUT/predictions.jsonl, where elements failed OUT/failures.jsonl, and for question sets
OUT/submission.json and .csv in the set's own form; prints a table by question type and the metrics. The test split is
for one scoring, of the checkpoint that val has selected: of a run folder the best one is taken, where there is one, and
a second scoring needs --again (mcg/scoring/scoring_record.py).
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mcg.launch.failures import told_plainly
from mcg.scoring.controls import CONTROLS
from mcg.scoring.score_checkpoint import score_checkpoint
from shards.cli import DEBUG_OPTION, one_line_errors, start_command


def main(
    config: Annotated[Path, typer.Option(help="The config file that the checkpoint was trained with.")],
    checkpoint: Annotated[Path, typer.Option(help="A checkpoint folder, or a run folder.")],
    split: Annotated[str, typer.Option(help="Which of data.train, data.val, data.test: val or test.")] = "test",
    select: Annotated[
        str | None,
        typer.Option(help="Which checkpoint of a run folder: latest, or best (by val), which is what test takes."),
    ] = None,
    again: Annotated[bool, typer.Option(help="Score the test split although this run has scored it before.")] = False,
    control: Annotated[list[str] | None, typer.Option(help=f"One or more of: {', '.join(CONTROLS)}.")] = None,
    use: Annotated[str | None, typer.Option(help="Which use, of a run of several (uses).")] = None,
    out: Annotated[Path | None, typer.Option(help="Folder for the results; default RUN_DIR/evaluation/SPLIT.")] = None,
    debug: bool = DEBUG_OPTION,
    overrides: Annotated[list[str] | None, typer.Argument(help="a.b=c, over the config file.")] = None,
) -> None:
    """Score a checkpoint on a split; controls other than none take something away from the clips."""
    with one_line_errors(debug), told_plainly():
        score_checkpoint(
            config,
            checkpoint,
            split,
            controls=control or ["none"],
            out=out,
            overrides=overrides or [],
            select=select,
            again=again,
            use=use,
        )


if __name__ == "__main__":
    start_command(main, "python -m mcg.evaluate")
