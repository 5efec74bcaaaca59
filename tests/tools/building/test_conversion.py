"""The driver accounts for every row in order, whatever makes the samples; an error in the middle stops the work."""

from __future__ import annotations

import threading
from typing import NamedTuple

import pytest

from shards.base.engines import threads
from shards.dataset.report import Report
from tests.tools.watching import watch
from tools.building.conversion import convert
from tools.rows import MALFORMED, BadRow


class _Made(NamedTuple):
    number: int


def _work(number: int) -> _Made | BadRow:
    return BadRow.at(f"row {number}", "a", MALFORMED, "odd") if number % 2 else _Made(number)


def _write(made: _Made) -> BadRow | None:
    return BadRow.at(f"row {made.number}", "a", "duplicate key", "4") if made.number == 4 else None


def test_every_row_is_written_or_quarantined_in_order() -> None:
    report, bad, seen = Report(name="d", out="out"), list[BadRow](), list[tuple[int, int]]()
    progress = watch(lambda done, quarantined: seen.append((done, quarantined)))
    convert(report, range(6), _work, _write, bad.append, engine=threads(2), progress=progress)
    assert [row.record_id for row in bad] == ["row 1", "row 3", "row 4", "row 5"]
    assert (report.num_rows, report.num_quarantined) == (6, 4)
    assert report.quarantined == {"malformed line": 3, "duplicate key": 1} and seen[-1] == (6, 4)


def test_an_error_of_the_writer_stops_the_work() -> None:
    def fail(made: _Made) -> None:
        raise OSError("disk")

    with pytest.raises(OSError, match="disk"):
        convert(Report(name="d", out="out"), iter(range(1000)), _work, fail, lambda bad: None, engine=threads(2))
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("engine")]
