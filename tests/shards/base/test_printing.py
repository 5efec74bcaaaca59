"""What comes from data is printed as text: it moves no cursor, forges no line, hides nothing, and has an end."""

from __future__ import annotations

import ast
import io
import json
import logging
import subprocess
import sys
from pathlib import Path

import pytest

from shards.base.errors import PrintableError
from shards.base.printing import cell, complain, json_line, logger, say
from tests.shards.hostile_text import HOSTILE, is_safe

ROOT = Path(__file__).resolve().parents[3]


def test_json_takes_what_json_does_not_know() -> None:
    assert json.loads(json_line({"a": float("nan"), "b": [float("inf")], "c": "\ud800"})) == {
        "a": None,
        "b": [None],
        "c": "\ud800",
    }
    assert json_line({HOSTILE: HOSTILE}).isascii()


def test_a_cell_of_a_table_is_no_markup() -> None:
    assert cell("[red]a[/red]\x1b", 100).plain == "[red]a[/red]\\x1b"


def test_a_log_line_is_safe_for_any_handler() -> None:
    shown = io.StringIO()
    handler = logging.StreamHandler(shown)
    log = logger("shards.some_module")
    assert logger("shards.some_module") is log
    log.addHandler(handler)
    try:
        log.warning("%s: gone after %d tries", HOSTILE, 3)
        try:
            raise KeyError("x") from ValueError(HOSTILE)
        except KeyError:
            log.exception("failed")
    finally:
        log.removeHandler(handler)
    lines = shown.getvalue().split("\n")
    assert lines[0].endswith("gone after 3 tries") and lines[1] == "failed"
    assert all(map(is_safe, lines))


def test_complaints_and_lines_are_safe(capsys: pytest.CaptureFixture[str]) -> None:
    complain(HOSTILE)
    complain(PrintableError(HOSTILE, "  " + HOSTILE))
    complain(ValueError(HOSTILE))
    say(HOSTILE)
    out, err = capsys.readouterr()
    assert [line.startswith("error: a\\x1b]") for line in err.splitlines()] == [True, True, False, True]
    assert len(out.splitlines()) == 1
    assert all(map(is_safe, [*out.splitlines(), *err.splitlines()]))


def test_a_terminal_of_few_characters_gets_what_it_can_show() -> None:
    shown = io.BytesIO()
    stream = io.TextIOWrapper(shown, "ascii", write_through=True)
    say("größe 猫", stream)
    assert shown.getvalue() == b"gr\\xf6\\xdfe \\u732b\n"


@pytest.mark.parametrize("how", ["raise KeyError(H)", "warnings.warn(H)", "logging.getLogger('x').error(H)", "thread"])
def test_what_others_print_is_safe_in_a_program(how: str) -> None:
    if how == "thread":
        how = "def f(): raise ValueError(H)\nt = threading.Thread(target=f); t.start(); t.join()"
    start = "import logging, threading, warnings; from shards.base.printing import guard_terminal; guard_terminal()"
    script = f"{start}\nH = {HOSTILE!a}\n{how}"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, timeout=120)
    text = done.stderr.decode()
    assert "forged" in text and all(map(is_safe, text.split("\n"))), text
    assert not any(line.startswith("error: forged") for line in text.splitlines())


PRINTS = {"print", "typer.echo", "click.echo", "logging.getLogger", "sys.stderr.write", "sys.stdout.write"}
SOURCES = [
    *(f for folder in ("shards", "tools", "mcg") for f in sorted((ROOT / folder).rglob("*.py"))),
    ROOT / "train.py",
]


def test_programs_print_through_here_alone() -> None:
    wrong = [
        f"{file.relative_to(ROOT)}:{node.lineno}: {ast.unparse(node)}"
        for file in SOURCES
        if file.name != "printing.py"
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and ast.unparse(node.func) in PRINTS and "DeepSpeed" not in ast.unparse(node)
    ]
    assert not wrong, f"use say, say_json, complain, cell and logger of shards.base.printing: {wrong}"
