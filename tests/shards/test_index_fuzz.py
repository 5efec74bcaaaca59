"""Whatever becomes of the bytes of an index: it is opened and read, or refused as a DatasetError, in little memory."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def fuzz(first: int, count: int) -> dict[str, int]:
    command = [sys.executable, "-X", "faulthandler", "-m", "tests.shards.index_fuzz", str(first), str(count)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=280)
    lines = done.stdout.splitlines()
    assert done.returncode == 0, f"mutation {lines[-1:]} ended with {done.returncode}:\n{done.stderr[-4000:]}"
    counts: dict[str, int] = ast.literal_eval(lines[-1])
    return counts


def test_hundreds_of_mutated_indexes_are_read_or_refused() -> None:
    counts = fuzz(0, 400)
    assert counts["refused"] > 100 and counts["read"] > 20


@pytest.mark.long
def test_thousands_of_mutated_indexes_are_read_or_refused() -> None:
    counts = fuzz(400, 5000)
    assert counts["refused"] > 1000 and counts["read"] > 200
