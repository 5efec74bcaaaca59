"""Write the page of a run, or of several beside each other.

    python -m mcg.report runs/ft_msrvtt_qa                    writes runs/ft_msrvtt_qa/report.html
    python -m mcg.report runs/a runs/b --out page.html        both on one step axis, and what differs in their configs

Shows the content of the run folders, also while a run is under way: losses by objective and dataset, speed, waiting for
data by stage, the mix of datasets, quarantine, scores with intervals, predictions with their frames, the wrong ones
first, what each run was started with, and its config.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from shards.base import say
from shards.cli import DEBUG_OPTION, one_line_errors, start_command


def main(
    run_dirs: Annotated[list[Path], typer.Argument(metavar="RUN...", help="run_dir of runs of train.py.")],
    out: Annotated[Path | None, typer.Option(help="The page to write; default report.html in the first RUN.")] = None,
    frames: Annotated[bool, typer.Option(help="Show frames of predictions, as far as the data is at hand.")] = True,
    debug: bool = DEBUG_OPTION,
) -> None:
    """Write the page of a run, or of several beside each other."""
    with one_line_errors(debug):
        from mcg.report.page import write_report

        say(f"{write_report(run_dirs, out, frames)}")


if __name__ == "__main__":
    start_command(main, "python -m mcg.report")
