"""Rows in = samples + quarantined, or the report is refused."""

from __future__ import annotations

import pytest

from shards.base.errors import ConversionError
from shards.dataset.report import NUM_EXAMPLES, Report


def test_refused_rows_are_counted_by_kind_and_the_first_are_quoted() -> None:
    report = Report(name="d", out="out")
    for number in range(NUM_EXAMPLES + 5):
        report.refuse("malformed line" if number % 5 else "unusable media", f"a.csv line {number}: torn")
    assert (report.num_quarantined, len(report.examples)) == (25, 20)
    assert report.quarantined == {"unusable media": 5, "malformed line": 20}
    assert report.to_dict()["examples"][0] == "a.csv line 0: torn"


def test_accounts_that_do_not_agree_are_named() -> None:
    report = Report(name="d", out="out", num_rows=3)
    report.check({"the writer counted": 3, "samples and quarantine hold": 3})
    with pytest.raises(ConversionError, match="out: the accounts do not add up: 3 rows came in, the writer counted 2;"):
        report.check({"the writer counted": 2})


def test_nothing_usable_is_an_error_with_the_first_reasons() -> None:
    report = Report(name="d", out="out", num_rows=2)
    for number in range(2):
        report.refuse("malformed line", f"malformed line: a.csv line {number}: torn")
    with pytest.raises(ConversionError, match=r"a\.csv: none of its 2 rows gave .* the first: malformed line"):
        report.check_usable("a.csv")
