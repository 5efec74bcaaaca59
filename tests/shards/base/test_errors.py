"""Every error of ours has a text that can be printed wherever it ends up."""

from __future__ import annotations

import ast
import builtins
import pickle

import pytest

from shards.base.errors import ChangedFile, DatasetError, PrintableError, ProcessDied, SourceError, TooManyFailures
from shards.base.safe_text import LONGEST_LINE
from shards.loader.quarantine import Failure, FailureBudget, Ledger
from shards.read.sample import Origin, SampleError
from tests.shards.conftest import REPOSITORY
from tests.shards.hostile_text import HOSTILE, is_safe


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
    for error, more in ((raised.value, 3), (ledger.exhausted(failures), 3)):
        lines = str(error).split("\n")
        assert len(lines) == 1 + more and all(map(is_safe, lines))


def test_an_error_of_ours_comes_back_whole_from_another_process() -> None:
    died, changed = ProcessDied("died", [1]), ChangedFile("a.tar", "v1", "v2")
    sample, system = SampleError(Origin("d", "s", "k"), "cut"), SourceError(28, "disk full")
    for error in (died, changed, sample, system):
        found = pickle.loads(pickle.dumps(error))
        assert (type(found), str(found), vars(found)) == (type(error), str(error), vars(error))
    assert pickle.loads(pickle.dumps(system)).errno == 28


BUILT_IN = {kind.__name__ for kind in vars(builtins).values() if isinstance(kind, type) and issubclass(kind, Exception)}
SOURCES = [
    *(file for folder in ("shards", "tools", "mcg") for file in sorted((REPOSITORY / folder).rglob("*.py"))),
    REPOSITORY / "train.py",
]


def test_every_error_of_ours_is_printable() -> None:
    wrong = []
    for file in SOURCES:
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            bases = {ast.unparse(base) for base in node.bases} if isinstance(node, ast.ClassDef) else set()
            if bases and bases <= BUILT_IN and node.name != "PrintableError":
                wrong.append(f"{file.relative_to(REPOSITORY)}:{node.lineno}")
    assert not wrong, f"derive them from shards.base.errors.PrintableError, so that their text can be printed: {wrong}"
