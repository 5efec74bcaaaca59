"""A group of options reaches the command as a dict of what was given."""

from __future__ import annotations

import inspect
from typing import Annotated, Any

import typer
from typer.testing import CliRunner

from tools.cli.signature import with_options

SHORT_SIDE = inspect.Parameter(
    "short_side",
    inspect.Parameter.KEYWORD_ONLY,
    default=None,
    annotation=Annotated[int | None, typer.Option(min=16, help="Pixels.")],
)
FIRST = inspect.Parameter("first", inspect.Parameter.KEYWORD_ONLY, default=False, annotation=bool)


def test_options_of_a_group_are_parsed_checked_and_collected() -> None:
    got: list[tuple[Any, ...]] = []

    def command(source: str, own: dict[str, Any], every: dict[str, Any], limit: int = 3) -> None:
        """Do it."""
        got.append((source, own, every, limit))

    app = typer.Typer()
    app.command()(with_options(command, own=[SHORT_SIDE], every=[FIRST]))
    shown = CliRunner().invoke(app, ["--help"]).stdout
    assert "Do it." in shown and "Pixels." in shown and "--own" not in shown
    assert CliRunner().invoke(app, ["x", "--short-side", "8"]).exit_code == 2
    assert CliRunner().invoke(app, ["x", "--short-side", "32", "--first", "--limit", "5"]).exit_code == 0
    assert CliRunner().invoke(app, ["x"]).exit_code == 0
    assert got == [("x", {"short_side": 32}, {"first": True}, 5), ("x", {}, {"first": False}, 3)]
