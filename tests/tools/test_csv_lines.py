"""A csv gives its records with the lines that they stand on, and lines again that were taken wrongly."""

from __future__ import annotations

import io

from tools.csv_lines import CsvLines


def test_records_come_with_their_lines_and_lines_come_again() -> None:
    lines = CsvLines(io.StringIO('a,b\n"c\nd",e\n"f"g\n\nh,i', newline=""), ",")
    assert lines.read() == (["a,b\n"], ["a", "b"], "")
    several = lines.read()
    assert several == (['"c\n', 'd",e\n'], ["c\nd", "e"], "")
    lines.read_again(several.lines[1:])
    assert lines.read() == (['d",e\n'], ['d"', "e"], "")
    broken = lines.read()
    assert broken is not None and broken.lines == ['"f"g\n'] and "expected after" in broken.error
    assert lines.read() == (["\n"], [], "")
    assert lines.read() == (["h,i"], ["h", "i"], "")
    assert lines.read() is None
