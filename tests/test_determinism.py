"""docs/determinism.md names the test that holds each promise: those tests exist, and no promise goes without one."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGE = (ROOT / "docs" / "determinism.md").read_text(encoding="utf-8")


def test_every_test_that_the_page_names_is_there() -> None:
    named = re.findall(r"`(test_\w+\.py)::(test_\w+)`", PAGE)
    assert len(named) > 20
    missing = [
        f"{file}::{test}"
        for file, test in named
        if not any(f"\ndef {test}(" in path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob(file))
    ]
    assert not missing


def test_every_row_of_the_table_names_a_test() -> None:
    rows = [line for line in PAGE.splitlines() if line.startswith("| ") and not line.startswith(("| what", "| ---"))]
    assert len(rows) > 10 and not [row for row in rows if "::test_" not in row]
