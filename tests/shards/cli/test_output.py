"""Results of commands: one JSON object, or tables in which text from data stays text."""

from __future__ import annotations

import json
import math

import pytest

from shards.cli.output import emit, facts_table, print_examples

HOSTILE = "\x1b[31m[bold]x[/bold]\u202e"
SHOWN = "\\x1b[31m[bold]x[/bold]\\u202e"


def test_a_result_is_one_json_object_or_a_table(capsys: pytest.CaptureFixture[str]) -> None:
    data = {"rows": 3, "share": math.nan}
    table = facts_table(f"{HOSTILE} -> out", [("rows", "3"), (HOSTILE, HOSTILE)])
    emit(data, True, table)
    assert json.loads(capsys.readouterr().out) == {"rows": 3, "share": None}
    emit(data, False, table)
    shown = capsys.readouterr().out
    assert f"{SHOWN} -> out" in shown and shown.count(SHOWN) == 3 and "\x1b" not in shown


def test_five_examples_are_shown_and_the_others_counted(capsys: pytest.CaptureFixture[str]) -> None:
    print_examples("quarantined", [HOSTILE, *"bcdef"], 1200)
    shown = capsys.readouterr().out
    assert shown == f"quarantined:\n  {SHOWN}\n  b\n  c\n  d\n  e\n  ... and 1,195 more\n"
    print_examples("quarantined", [], 0)
    assert not capsys.readouterr().out
