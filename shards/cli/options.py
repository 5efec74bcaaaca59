"""Options and arguments that many commands have, with one spelling and one help text each."""

from __future__ import annotations

import os

import typer

PATH_ARGUMENT = typer.Argument(metavar="PATH", help="Folder or URL (s3://..., memory://...) that holds dataset.json.")
ROOTS_OPTION = typer.Option(
    None,
    "--root",
    metavar="PLACE",
    help="Where shards may lie, and a web server redirect to, beside the index; may be given repeatedly.",
)
JSON_OPTION = typer.Option(False, "--json", help="Print one JSON object instead of tables.")
DEBUG_OPTION = typer.Option(False, "--debug", help="Show the traceback of an error.")


def flag(name: str) -> str:
    """The option of a parameter as it is typed: num_clips is --num-clips."""
    return "--" + name.replace("_", "-")


def num_cores() -> int:
    """CPU cores that this process may use: the default of --jobs."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
