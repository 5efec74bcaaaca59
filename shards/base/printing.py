"""Printing: the one way to a terminal, a log and a traceback, for which text from data is made safe (safe_text.py).

Programs print by `say`, `say_json`, `complain` and the cells of their tables, and log by `logger`; a test holds that.
`guard_terminal` does the same for what other code prints.
"""

from __future__ import annotations

import json
import logging
import math
import sys
import threading
import traceback
import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TextIO

from shards.base.errors import PrintableError
from shards.base.safe_text import one_line, printable

if TYPE_CHECKING:
    from rich.text import Text


def cell(text: object, limit: int | None = None) -> Text:
    """Text from data for rich, as the cell of a table: never read as markup."""
    from rich.text import Text

    return Text(printable(str(text), limit))


def json_line(data: Any) -> str:
    """One line of JSON, in ASCII: data may hold lone surrogates, which no encoding takes. NaN, infinities: null."""
    return json.dumps(_finite(data), allow_nan=False)


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return value


def say_json(data: Any) -> None:
    """Print a JSON object as a line on stdout."""
    _write(json_line(data), sys.stdout)


def say(text: str, stream: TextIO | None = None) -> None:
    """Print a line on stdout, or on another stream."""
    _write(one_line(text), sys.stdout if stream is None else stream)


def complain(what: str | BaseException) -> None:
    """Print an error on stderr: one line, or as many as an error of ours has."""
    lines = str(what).splitlines() if isinstance(what, PrintableError) else [str(what)]
    _write("\n".join(map(one_line, [f"error: {lines[0] if lines else ''}", *lines[1:]])), sys.stderr)


def _write(text: str, stream: TextIO) -> None:
    encoding = stream.encoding or "utf-8"
    stream.write(text.encode(encoding, "backslashreplace").decode(encoding) + "\n")
    stream.flush()


def logger(name: str) -> logging.Logger:
    """The logger of a module, whose messages are one printable line each, whoever handles them."""
    made = logging.getLogger(name)
    made.addFilter(_as_one_line)
    return made


def _as_one_line(record: logging.LogRecord) -> bool:
    record.msg, record.args = one_line(record.getMessage()), ()
    if record.exc_info and record.exc_info[1] is not None and not record.exc_text:
        record.exc_text = "\n".join(_traceback_lines(record.exc_info[1]))
    return True


def guard_terminal() -> None:
    """Make printable what other code prints in this program: errors that nobody caught, warnings of libraries."""
    sys.excepthook = lambda kind, error, trace: show_traceback(error)
    threading.excepthook = lambda args: show_traceback(args.exc_value or args.exc_type())
    warnings.formatwarning = _formatted_warning
    for handler in [*logging.getLogger().handlers, *([logging.lastResort] if logging.lastResort else [])]:
        handler.addFilter(_as_one_line)


def show_traceback(error: BaseException) -> None:
    """Print the traceback of an error on stderr, in printable lines."""
    _write("\n".join(_traceback_lines(error)), sys.stderr)


def _traceback_lines(error: BaseException | None) -> list[str]:
    """The lines of a traceback: the errors that led to this one first, the text of each on one line."""
    chain: list[BaseException] = []
    while error is not None and error not in chain:
        chain.append(error)
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    lines: list[str] = []
    for led_to in reversed(chain):
        lines += ["", "which led to:", ""] if lines else []
        stack = "".join(traceback.format_tb(led_to.__traceback__)).splitlines()
        lines += ["Traceback (most recent call last):", *stack] if stack else []
        lines += traceback.format_exception_only(led_to)
    return [one_line(line) for line in lines]


def _formatted_warning(
    message: Warning | str, category: type[Warning], filename: str, lineno: int, line: str | None = None
) -> str:
    return one_line(f"{filename}:{lineno}: {category.__name__}: {message}") + "\n"
