"""Rows of an index that cannot be right are named."""

from __future__ import annotations

from pathlib import Path

import pytest

from shards.dataset.index.rows import MemberRow, SampleRow
from tests.shards.dataset.checking.checked import FACTS, rows_of, shard_of


def test_foreign_samples_have_one_record(tmp_path: Path) -> None:
    members = {
        "a.jpg": b"x",
        "a.json": b'{"caption": "c"}',
        "a.txt": b"c",
        "b.JPG": b"y",
        "b.txt": b"d",
        "empty.txt": b"",
    }
    members |= {"README": b"not a sample", "__meta__.x": b""}
    shard_of(tmp_path, members)
    rows = [row for row in rows_of(tmp_path, members) if row.key not in ("README", "__meta__")]
    report = shard_of(tmp_path, members, rows)
    assert report.num_records == 2
    assert {key: reason for key, reason in report.bad.items() if "has no text" in reason}.keys() == {"empty"}
    assert len(report.problems) == 1


@pytest.mark.parametrize(("offset", "size"), [(-5, 3), (0, 1 << 40), (512, -1), (513, 3)])
def test_impossible_byte_ranges_are_named(tmp_path: Path, offset: int, size: int) -> None:
    shard_of(tmp_path, {"a.mp4": b"12345", "b.mp4": b"x"})
    good = rows_of(tmp_path, {"a.mp4": b"12345", "b.mp4": b"x"})
    rows = [good[0], SampleRow("b", (MemberRow("mp4", offset, size, 0),), 1, FACTS)]
    report = shard_of(tmp_path, {"a.mp4": b"12345", "b.mp4": b"x"}, rows)
    assert "b" in report.bad and "a" not in report.bad
    assert report.bad["b"].startswith(f".mp4: expected bytes {offset} to {offset + size}, found")
