"""A subset is the same whatever else is in the file (a fraction), or has as many rows as asked for (a number)."""

from __future__ import annotations

import pytest

from tools.building.subset import Subset
from tools.rows import BadRow, OptionError, Row

ROWS: list[Row | BadRow] = [Row(f"line {n}", f"k{n}", ({"caption": "x"},), media=b"x", ext="jpg") for n in range(400)]
BAD = [BadRow(f"line {n}", "malformed line: odd") for n in range(400, 600)]


def subset(text: str, rows: list[Row | BadRow]) -> list[Row | BadRow]:
    return list(Subset.parse(text).rows(lambda: iter(rows), "d"))


def test_a_fraction_takes_each_row_by_itself() -> None:
    few = subset("0.1", ROWS)
    assert 20 <= len(few) <= 60 and few == [row for row in ROWS if row in few]
    assert subset(".1", list(reversed(ROWS))) == few[::-1]
    assert [row for row in subset("0.1", [*ROWS, *BAD]) if isinstance(row, Row)] == few
    assert set(row.record_id for row in few) < set(row.record_id for row in subset("0.5", ROWS))
    assert 5 <= len(subset("0.1", list(BAD))) <= 40


@pytest.mark.parametrize("number", [1, 7, 600, 1000])
def test_a_number_takes_as_many_in_their_order(number: int) -> None:
    rows = [*ROWS, *BAD]
    found = subset(str(number), rows)
    assert len(found) == min(number, 600) and found == [row for row in rows if row in found]
    assert subset("5", []) == []


@pytest.mark.parametrize("text", ["0", "-1", "1.5", "1.0", "0.0", "nan", "inf", "a", "", "1e3", "5%", "0x1"])
def test_what_is_no_subset_is_refused(text: str) -> None:
    with pytest.raises(OptionError, match=r"--sample .*: give a fraction between 0 and 1"):
        Subset.parse(text)
