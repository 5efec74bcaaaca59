"""The table of annotation files: whole commits, checksums, and no two files of one name."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import pytest

from tools.fetch.stored import STORED


@pytest.mark.parametrize("name", sorted(STORED))
def test_every_line_is_whole(name: str) -> None:
    files = STORED[name]
    assert len({one.name for one in files}) == len(files)
    for one in files:
        assert re.fullmatch(r"https://raw\.githubusercontent\.com/[\w.-]+/[\w.-]+/[0-9a-f]{40}/[\w./-]+", one.url)
        assert re.fullmatch("[0-9a-f]{64}", one.sha256) and one.num_bytes > 0


def test_the_checksums_are_those_of_the_files_at_hand(published: Path) -> None:
    found = {}
    for path in published.rglob("*.*"):
        if path.is_file() and path.stat().st_size < 1 << 23:
            found[hashlib.sha256(path.read_bytes()).hexdigest()] = path.stat().st_size
    files = [one for some in STORED.values() for one in some]
    there = [one for one in files if one.num_bytes < 1 << 23]
    assert len(there) > 25 and all(found.get(one.sha256) == one.num_bytes for one in there)
