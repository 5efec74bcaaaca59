"""docs/promises.md names tests that exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
CITED = re.findall(r"`([\w/]+\.py)::([\w*]+)`", (ROOT / "docs/promises.md").read_text())


def test_there_are_promises() -> None:
    assert len(CITED) >= 40


@pytest.mark.parametrize(("file", "name"), CITED)
def test_a_promise_is_held_by_a_test_that_is_there(file: str, name: str) -> None:
    path = ROOT / "tests" / file
    assert path.is_file(), f"docs/promises.md cites {file}, which is not in tests/"
    if name != "*":
        assert re.search(rf"^def {name}\(", path.read_text(), re.MULTILINE), f"docs/promises.md cites {file}::{name}"
