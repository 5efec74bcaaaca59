"""What the verbs share: the bar, tables and examples of a summary, and which error is which exit code.

Promises: errors are one line on stderr, tracebacks only with --debug; the bar goes to stderr, the summary to stdout.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import typer

from shards.printing import PrintableError, cell, complain, one_line, printable, say
from tools.rows import OptionError

FAILED, WRONG_USAGE, TOO_MANY_QUARANTINED, STOPPED = 1, 2, 3, 130

JSON = typer.Option(False, "--json", help="Print the summary as one JSON object instead of a table.")
DEBUG = typer.Option(False, help="Show the traceback of an error.")


def flag(name: str) -> str:
    """How the option of a parameter is typed."""
    return "--" + name.replace("_", "-")


@contextmanager
def progress(what: str, total: int | None = None) -> Iterator[Callable[..., None]]:
    """A bar on stderr: rows or samples done of about so many, those quarantined, time left.

    Its function takes (done, quarantined), and a total when that is known later.
    """
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn(what),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[quarantined]} quarantined"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task(what, total=total, quarantined=0)

        def on_row(done: int, quarantined: int, total: int | None = None) -> None:
            bar.update(task, completed=done, quarantined=quarantined, total=total)

        yield on_row
        bar.update(task, total=bar.tasks[task].completed)


def print_rows(title: str, rows: list[tuple[str, str]]) -> None:
    """A table of two columns on stdout."""
    from rich.console import Console
    from rich.table import Table

    table = Table(title=cell(title), title_justify="left", show_header=False)
    table.add_column()
    table.add_column(justify="right")
    for row in rows:
        table.add_row(*map(cell, row))
    Console().print(table)


def print_examples(heading: str, examples: list[str], count: int) -> None:
    """The first five of `count` on stdout, and how many more there are; nothing when there is none."""
    from rich.console import Console
    from rich.text import Text

    if examples:
        more = f"\n  ... and {count - 5} more" if count > 5 else ""
        lines = "".join(f"\n  {printable(example)}" for example in examples[:5])
        Console().print(Text(f"{heading}:{lines}{more}"), soft_wrap=True)


def say_finished(out: str) -> None:
    """That the same command had been finished before."""
    say(f"nothing to do: {out} holds this already, finished and made in the same way")


def check_quarantined(what: str, num_quarantined: int, allowed: int | None) -> None:
    """Exit with TOO_MANY_QUARANTINED above what --max-quarantined allows."""
    if allowed is not None and num_quarantined > allowed:
        complain(f"{num_quarantined} {what} were quarantined, --max-quarantined allows {allowed}")
        raise typer.Exit(TOO_MANY_QUARANTINED)


@contextmanager
def one_line_errors(
    debug: bool, stopped: str = "stopped; finished shards stay, the same command goes on after them"
) -> Iterator[None]:
    """Turn whatever goes wrong inside into one line on stderr and an exit code. stopped: what Ctrl-C is answered."""
    try:
        yield
    except KeyboardInterrupt:
        complain(stopped)
        raise typer.Exit(STOPPED) from None
    except Exception as error:
        if debug:
            raise
        expected = isinstance(error, (PrintableError, ValueError, OSError))
        text = re.sub(r"^\[Errno \d+\] ", "", one_line(str(error)))
        complain(text if expected else f"{type(error).__name__}: {text}; this is a bug: --debug shows where")
        raise typer.Exit(WRONG_USAGE if isinstance(error, OptionError) else FAILED) from None
