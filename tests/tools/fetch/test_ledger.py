"""The ledger: dead addresses are remembered, passing failures are not, another annotation file is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from shards.base.errors import ConversionError
from tools.fetch.download import Wanted
from tools.fetch.failures import FetchFailed
from tools.fetch.ledger import open_ledger, source_of
from tools.rows import BadRow, OptionError

SOURCE = {"file": "a.tsv", "bytes": 3, "head": "x"}


def wanted(row: int) -> Wanted:
    return Wanted(f"http://example.org/{row}", Path("x"), f"line {row + 1}", row)


def write(path: Path) -> None:
    with open_ledger(path) as ledger:
        ledger.go_on(SOURCE, False)
        ledger.add(wanted(3), FetchFailed("404 not found", "HTTP 404\x1b[31m"))
        ledger.add(wanted(4), FetchFailed("timeout", "slow"))
        ledger.add(wanted(70_000), FetchFailed("HTML page", "a page"))
        ledger.add_bad(BadRow("line 9", "malformed line: a.tsv line 9: x"))


def test_lasting_failures_are_remembered_and_others_are_not(tmp_path: Path) -> None:
    write(tmp_path / "l")
    first = json.loads((tmp_path / "l").read_text().splitlines()[1])
    assert first == {
        "place": "line 4",
        "row": 3,
        "url": "http://example.org/3",
        "kind": "404 not found",
        "reason": "HTTP 404\x1b[31m",
        "lasting": True,
    }
    with open(tmp_path / "l", "ab") as file:
        file.write(b'{"place": "line 6", "row": 5, "las')  # a kill cut it off
    for _ in range(2):
        with open_ledger(tmp_path / "l") as ledger:
            ledger.go_on(SOURCE, False)
            assert [row for row in (*range(10), 70_000, 70_001, 1 << 50) if ledger.is_dead(row)] == [3, 70_000]
    assert len((tmp_path / "l").read_text().splitlines()) == 3
    with open_ledger(tmp_path / "l") as ledger:
        ledger.go_on(SOURCE, True)
        assert not ledger.is_dead(3)


def test_another_annotation_file_and_another_process_are_refused(tmp_path: Path) -> None:
    write(tmp_path / "l")
    with (
        open_ledger(tmp_path / "l") as ledger,
        pytest.raises(OptionError, match=r"another annotation file of the same"),
    ):
        ledger.go_on({**SOURCE, "bytes": 4}, False)
    with (
        open_ledger(tmp_path / "l"),
        pytest.raises(ConversionError, match="another process is fetching"),
        open_ledger(tmp_path / "l"),
    ):
        pass


def test_a_file_is_told_by_its_beginning_and_size(tmp_path: Path) -> None:
    (tmp_path / "a.tsv").write_text("one")
    before = source_of(tmp_path / "a.tsv")
    (tmp_path / "a.tsv").write_text("two")
    assert before["bytes"] == 3 and source_of(tmp_path / "a.tsv") != before
