"""Records with named values become rows; files that hold fewer or more than said are accounted for."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.tools.containers.given import PICTURES
from tools.containers.columns import Columns
from tools.containers.files import Damaged
from tools.containers.table_rows import TableRows
from tools.rows import BadRow, Row

TABLE = TableRows(Columns("image", "caption", "id"), Path("set"))
GOOD = {"image": PICTURES[0], "caption": "x", "id": 1}


@pytest.mark.parametrize(("identifier", "key"), [(7, "7"), (7.0, "7"), (" a ", "a")])
def test_ids_are_texts_and_whole_numbers(identifier: object, key: str) -> None:
    row = TABLE.row("row 1", 0, {**GOOD, "id": identifier})
    assert isinstance(row, Row) and (row.key, row.meta) == (key, {"id": key})


@pytest.mark.parametrize("identifier", [None, "", True, 7.5, [1]])
def test_a_record_without_id_is_quarantined(identifier: object) -> None:
    bad = TABLE.row("row 1", 0, {**GOOD, "id": identifier})
    assert isinstance(bad, BadRow) and bad.reason.startswith(
        "malformed line: set row 1: no id in the column 'id'; name"
    )


def test_what_json_can_hold_is_kept() -> None:
    deep: Any = "x"
    for _ in range(20):
        deep = [deep]
    more = {
        "day": datetime.date(2026, 1, 2), "price": Decimal("1.5"), "inf": float("inf"), "raw": b"x",
        "list": [1, b"x", None], "records": 3, "none": None, "deep": deep, 5: {6: "number"},
    }  # fmt: skip
    row = TABLE.row("row 1", 0, {**GOOD, **more})
    assert isinstance(row, Row)
    assert {name: value for name, value in row.meta.items() if name != "deep"} == {
        "id": "1", "day": "2026-01-02", "price": "1.5", "inf": None, "list": [1, None], "records_field": 3,
        5: {"6": "number"},
    }  # fmt: skip


def test_files_with_fewer_or_more_records_than_said_are_accounted_for() -> None:
    def records(count: int, end: Damaged | None = None) -> Iterator[tuple[int, dict[str, Any] | Damaged]]:
        for number in range(count):
            yield number, GOOD if number != 1 else Damaged("odd; correct it")
        if end is not None:
            raise end

    def kinds(*arguments: Any) -> list[str]:
        return [type(row).__name__ for row in TABLE.rows_of_file("f", *arguments, "row")]

    assert kinds(3, 0, records(3)) == ["Row", "BadRow", "Row"]
    assert kinds(4, 0, records(3)) == ["Row", "BadRow", "Row", "BadRow"]
    assert kinds(2, 0, records(3)) == ["Row", "BadRow", "BadRow"]
    assert kinds(5, 0, records(2, Damaged("cut; fetch it again"))) == ["Row"] + ["BadRow"] * 4
    assert kinds(None, 0, records(1, Damaged("cut; fetch it again"))) == ["Row", "BadRow"]
