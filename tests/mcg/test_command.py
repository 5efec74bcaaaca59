"""Commands end in one line for what users do wrong, and in a traceback for what we do."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import typer
from typer.testing import CliRunner

from mcg.command import one_line_errors
from mcg.convert.rules import ConvertError
from shards.stats import AccountingError


def _command(error: BaseException, also: tuple[type[Exception], ...] = ()) -> Callable[[], None]:
    def run() -> None:
        with one_line_errors("stopped; the same command goes on", also):
            raise error

    return run


@pytest.mark.parametrize(
    ("error", "also", "code", "line"),
    [
        (ConvertError("a.pt: no file of weights"), (), 1, "error: a.pt: no file of weights"),
        (ValueError("two\nlines \x1b[31m"), (), 1, "error: two lines \\x1b[31m"),
        (FileNotFoundError("a.yaml: no such file"), (), 1, "error: a.yaml: no such file"),
        (RuntimeError("invalid device"), (RuntimeError,), 1, "error: invalid device"),
        (KeyboardInterrupt(), (), 130, "error: stopped; the same command goes on"),
    ],
)
def test_mistakes_and_ctrl_c_are_one_line(
    error: BaseException, also: tuple[type[Exception], ...], code: int, line: str
) -> None:
    app = typer.Typer()
    app.command()(_command(error, also))
    done = CliRunner().invoke(app)
    assert (done.exit_code, done.stderr.splitlines()) == (code, [line])


@pytest.mark.parametrize(
    "error", [KeyError("x"), RuntimeError("x"), AccountingError("lost an element"), AssertionError()]
)
def test_bugs_keep_their_traceback(error: Exception) -> None:
    with pytest.raises(type(error)):
        _command(error)()
