"""How the commands of mcg end: an error is one line on stderr and exit code 1, Ctrl-C one line and 130.

What is caught is what users, their data and their machines do wrong: our own errors, and ValueError and OSError of the
libraries. Anything else is a bug of ours and keeps its traceback.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import typer

from shards.printing import PrintableError, complain

FAILED, STOPPED = 1, 130


@contextmanager
def one_line_errors(stopped: str = "stopped", also: tuple[type[Exception], ...] = ()) -> Iterator[None]:
    """Turn errors inside into a line and an exit code. stopped: what Ctrl-C is answered; also: more that is caught."""
    expected: tuple[type[Exception], ...] = (PrintableError, ValueError, OSError, *also)
    try:
        yield
    except KeyboardInterrupt:
        complain(stopped)
        raise typer.Exit(STOPPED) from None
    except AssertionError:
        raise
    except expected as error:
        complain(error)
        raise typer.Exit(FAILED) from error
