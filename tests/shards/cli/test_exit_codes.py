"""Commands end with a line for mistakes, a traceback for bugs, and an exit code of one table."""

from __future__ import annotations

from pathlib import Path

import pytest
import typer

from shards.base.errors import (
    AccessDenied,
    AccountingError,
    AddressError,
    ConfigError,
    DatasetError,
    MissingFile,
    PatternError,
    SourceError,
    TooManyFailures,
    UsageError,
    WriteError,
    WrongPlace,
)
from shards.cli.exit_codes import BUG, DONE, EXIT_CODES, PROBLEMS, SAVED, STOPPED, WRONG_USAGE, one_line_errors
from shards.dataset.indexing.tar_jobs import DamagedShard

ROOT = Path(__file__).resolve().parents[3]


def _ends(error: BaseException, debug: bool = False, also: tuple[type[Exception], ...] = ()) -> int:
    with pytest.raises(typer.Exit) as caught, one_line_errors(debug, "stopped; the same command goes on", also):
        raise error
    return int(caught.value.exit_code)


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (UsageError("no\nsuch thing"), 2, "error: no such thing\n"),
        (ConfigError("a: unknown", "b: unknown"), 2, "error: a: unknown\nb: unknown\n"),
        (PatternError("a/*.tar: no tar"), 2, "error: a/*.tar: no tar\n"),
        (WrongPlace("b: not a part"), 2, "error: b: not a part\n"),
        (MissingFile("d: not found"), 2, "error: d: not found\n"),
        (AccessDenied("e: refused"), 2, "error: e: refused\n"),
        (AddressError("x://: unknown"), 2, "error: x://: unknown\n"),
        (WriteError("c: cannot be written"), 1, "error: c: cannot be written\n"),
        (DamagedShard("f.tar: torn"), 1, "error: f.tar: torn\n"),
        (DatasetError("x.parquet: torn"), 1, "error: x.parquet: torn\n"),
        (SourceError("x.tar: gone"), 1, "error: x.tar: gone\n"),
        (TooManyFailures("3 of 4"), 1, "error: 3 of 4\n"),
        (ValueError("two\nlines \x1b[31m"), 1, "error: two lines \\x1b[31m\n"),
        (OSError(5, "the disk fails"), 1, "error: the disk fails\n"),
        (KeyboardInterrupt(), 130, "error: stopped; the same command goes on\n"),
    ],
)
def test_an_error_is_one_line_and_a_code_of_the_table(
    capsys: pytest.CaptureFixture[str], error: BaseException, code: int, message: str
) -> None:
    assert _ends(error) == code and code in EXIT_CODES
    assert capsys.readouterr().err == message


def test_debug_shows_the_traceback_before_the_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert _ends(UsageError("no such thing"), debug=True) == 2
    said = capsys.readouterr().err
    assert "Traceback" in said and "raise error" in said and said.endswith("\nerror: no such thing\n")


@pytest.mark.parametrize("error", [KeyError("\x1b[31m"), RuntimeError("x"), AccountingError("lost"), AssertionError()])
def test_a_bug_shows_its_traceback_and_says_that_it_is_one(
    capsys: pytest.CaptureFixture[str], error: Exception
) -> None:
    assert _ends(error) == 3
    said = capsys.readouterr().err
    assert "Traceback" in said and "\x1b" not in said
    assert said.splitlines()[-1].startswith(f"error: {type(error).__name__}: ") and "this is a bug" in said


def test_a_command_may_expect_further_exceptions(capsys: pytest.CaptureFixture[str]) -> None:
    assert _ends(RuntimeError("invalid device"), also=(RuntimeError,)) == 1
    assert capsys.readouterr().err == "error: invalid device\n"


def test_the_page_shows_the_table() -> None:
    page = (ROOT / "docs/exit_codes.md").read_text()
    assert set(EXIT_CODES) == {DONE, PROBLEMS, WRONG_USAGE, BUG, SAVED, STOPPED}
    for code, meaning in EXIT_CODES.items():
        assert f"| {code} | {meaning} |" in page
