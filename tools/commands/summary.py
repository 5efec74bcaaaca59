"""What the verbs print at their end, and their exit code where too much was quarantined."""

from __future__ import annotations

import typer

from shards.base import complain, say
from shards.cli import PROBLEMS

STOPPED = "stopped; finished shards stay, the same command goes on after them"
"""What Ctrl-C is answered."""


def say_finished(out: str) -> None:
    """The line for a command that had been finished before."""
    say(f"nothing to do: {out} holds this already, finished and made in the same way")


def check_quarantined(what: str, num_quarantined: int, allowed: int | None) -> None:
    """Exit with code 1 above what --max-quarantined allows."""
    if allowed is not None and num_quarantined > allowed:
        complain(f"{num_quarantined} {what} were quarantined, --max-quarantined allows {allowed}")
        raise typer.Exit(PROBLEMS)
