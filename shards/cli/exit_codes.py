"""The end of every command of shards, tools and mcg: one table of exit codes, and an error as one line on stderr.

An error caused by the user, the data or the machine is one line; with --debug its traceback comes first. A bug always
shows its traceback, so that a run of days need not be repeated to find it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

import typer

from shards.base.errors import PrintableError, UsageError
from shards.base.printing import complain, show_traceback
from shards.base.safe_text import one_line

DONE, PROBLEMS, WRONG_USAGE, BUG, SAVED, STOPPED = 0, 1, 2, 3, 75, 130
EXIT_CODES = {
    DONE: "done",
    PROBLEMS: "problems in the data, the machine or a store; or more was quarantined than --max-quarantined allows",
    WRONG_USAGE: "wrong usage: an option, path or config cannot be meant as given",
    BUG: "a bug of this program; its traceback is shown",
    SAVED: "training was stopped by SIGTERM and saved a checkpoint; the same command goes on",
    STOPPED: "stopped by Ctrl-C",
}
"""The one table; docs/exit_codes.md shows it."""


@contextmanager
def one_line_errors(
    debug: bool = False, stopped: str = "stopped", also: tuple[type[Exception], ...] = ()
) -> Iterator[None]:
    """Turn every error inside into a line on stderr and an exit code of the table.

    debug: show the traceback, too. stopped: what is printed after Ctrl-C. also: further exceptions that are no bugs.
    """
    try:
        yield
    except KeyboardInterrupt:
        complain(stopped)
        raise typer.Exit(STOPPED) from None
    except (typer.Exit, typer.Abort, BrokenPipeError):
        raise  # typer ends quietly when the reader of a pipe has gone
    except Exception as error:
        code = _exit_code(error, also)
        if debug or code == BUG:
            show_traceback(error)
        if code == BUG:
            complain(f"{type(error).__name__}: {one_line(str(error))}; this is a bug: please report the lines above")
        else:
            complain(error if isinstance(error, PrintableError) else _without_number(str(error)))
        raise typer.Exit(code) from None


def _exit_code(error: Exception, also: tuple[type[Exception], ...] = ()) -> int:
    """The exit code for an error; also: further exceptions that are no bugs."""
    if isinstance(
        error, AssertionError
    ):  # also AccountingError, whose text is printable: accounts that do not add up are a bug
        return BUG
    if isinstance(error, UsageError):
        return WRONG_USAGE
    # Libraries say with ValueError and OSError what is wrong with data, files and machines.
    return PROBLEMS if isinstance(error, (PrintableError, ValueError, OSError, *also)) else BUG


def _without_number(text: str) -> str:
    return re.sub(r"^\[Errno -?\d+\] ", "", text)
