"""What comes from data is printed as text: it moves no cursor, forges no line, hides nothing, and has an end."""

from __future__ import annotations

import ast
import io
import json
import logging
import subprocess
import sys
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shards.base.errors import DatasetError, PrintableError, SourceError, TooManyFailures
from shards.base.printing import cell, complain, json_line, logger, say
from shards.base.safe_text import LONGEST_LINE, one_line, printable
from shards.loader.quarantine import Failure, FailureBudget, Ledger, exhausted
from shards.read.sample import Origin, SampleError

ROOT = Path(__file__).resolve().parents[3]
HOSTILE = "a\x1b]0;owned\x07b\x9b31mc\r\nerror: forged\u202egpj\u2066\u200b\ufeff\u00ad\U000e0041\u2028d\u2029\ud800e"
SAFE_FORMATS = "\u200c\u200d"


def is_safe(text: str) -> bool:
    """Whether no character of a line steers a terminal or hides, by Unicode's own categories."""
    steering = ("Cc", "Cf", "Cs", "Zl", "Zp")
    return all(unicodedata.category(char) not in steering or char in SAFE_FORMATS for char in text)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain", "plain"),
        (
            "größe 猫 👩\u200d🚀 क्\u200dष می\u200cخواهم 1\ufe0f⃣ ❤\ufe0f",
            "größe 猫 👩\u200d🚀 क्\u200dष می\u200cخواهم 1\ufe0f⃣ ❤\ufe0f",
        ),
        ("\x1b[31mred", "\\x1b[31mred"),
        ("\x9b31m", "\\x9b31m"),
        ("a\r\nb\x00\x7f", "a\\r\\nb\\x00\\x7f"),
        ("\u202eevil\u2066", "\\u202eevil\\u2066"),
        ("a\u200bb\u2060c\ufeffd\u00ade", "a\\u200bb\\u2060c\\ufeffd\\xade"),
        ("cat\u200ddog", "cat\\u200ddog"),
        ("cat\ufe0fdog\ufe01", "cat\\ufe0fdog\\ufe01"),
        ("a\u3164b\u115fc\u034fd\u2800", "a\\u3164b\\u115fc\\u034fd\\u2800"),
        ("\U000e0041\U000e0101", "\\U000e0041\\U000e0101"),
        ("a\u2028b\u2029c\x85d", "a\\u2028b\\u2029c\\x85d"),
        ("\ud800", "\\ud800"),
    ],
)
def test_text_from_data_cannot_steer_a_terminal(text: str, shown: str) -> None:
    assert printable(text) == shown
    assert printable(text).encode()


@pytest.mark.parametrize(
    "text",
    ["größe 猫", "👩\u200d🚀", "क्\u200dष", "می\u200cخواهم", "1\ufe0f\u20e3", "❤\ufe0f", "👩🏽\u200d🚀", "a\u3000b"],
)
def test_words_and_emoji_of_every_language_stay_as_they_are(text: str) -> None:
    assert printable(text) == one_line(text) == text


@given(st.text(st.characters(), max_size=60))
def test_whatever_the_text_one_line_of_it_is_safe(text: str) -> None:
    for shown in (printable(text), one_line(text)):
        assert is_safe(shown) and len(shown.splitlines()) <= 1
        assert printable(shown) == shown
        shown.encode()


def test_long_text_is_cut() -> None:
    assert printable("x" * 50, 10) == "xxxxxxxxx…"


@pytest.mark.parametrize("filling", ["x", "\x1b", "\n", "\U000e0041"])
def test_a_long_line_keeps_its_place_and_its_remedy(filling: str) -> None:
    line = one_line(f"s3://bucket/index.parquet: {filling * 1_200_000}; fetch it again")
    assert len(line) <= LONGEST_LINE and is_safe(line)
    assert line.startswith("s3://bucket/index.parquet: ") and line.endswith("; fetch it again")
    assert "more characters" in line


def test_line_ends_of_a_message_become_spaces() -> None:
    assert one_line("no\nsuch  \r\n\u2028 thing") == "no such thing"


def test_json_takes_what_json_does_not_know() -> None:
    assert json.loads(json_line({"a": float("nan"), "b": [float("inf")], "c": "\ud800"})) == {
        "a": None,
        "b": [None],
        "c": "\ud800",
    }
    assert json_line({HOSTILE: HOSTILE}).isascii()


def test_a_cell_of_a_table_is_no_markup() -> None:
    assert cell("[red]a[/red]\x1b", 100).plain == "[red]a[/red]\\x1b"


def test_an_error_of_ours_is_safe_wherever_it_is_printed() -> None:
    for error in (DatasetError(f"x: {HOSTILE}"), SourceError(HOSTILE), SampleError(Origin(HOSTILE, "s", "k"), HOSTILE)):
        assert is_safe(str(error)) and len(str(error)) <= LONGEST_LINE
    with pytest.raises(PrintableError, match="first\n  second"):
        raise PrintableError("first", "  second")


def test_too_many_failures_are_a_safe_line_each() -> None:
    failures = [Failure(Origin(HOSTILE, HOSTILE, f"{HOSTILE}{number}"), HOSTILE, number) for number in range(3)]
    ledger = Ledger()
    ledger.file(failures)
    with pytest.raises(TooManyFailures, match="3 of 9 elements") as raised:
        FailureBudget(max_count=1).check(3, 9, ledger)
    for error, more in ((raised.value, 3), (exhausted(failures, ledger), 3)):
        lines = str(error).split("\n")
        assert len(lines) == 1 + more and all(map(is_safe, lines))


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
ERRORS = {
    "Exception",
    "ValueError",
    "OSError",
    "RuntimeError",
    "AssertionError",
    "TypeError",
    "KeyError",
    "LookupError",
}
SOURCES = [
    *(file for folder in ("shards", "tools", "mcg") for file in sorted((ROOT / folder).rglob("*.py"))),
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


def test_every_error_of_ours_is_printable() -> None:
    wrong = []
    for file in SOURCES:
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            bases = {ast.unparse(base) for base in node.bases} if isinstance(node, ast.ClassDef) else set()
            if bases & ERRORS and not {"PrintableError", "UsageError"} & bases and file.name != "printing.py":
                wrong.append(f"{file.relative_to(ROOT)}:{node.lineno}")
    assert not wrong, f"derive them from shards.base.errors.PrintableError, so that their text can be printed: {wrong}"
