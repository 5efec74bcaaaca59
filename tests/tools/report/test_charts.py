"""Charts show every number once, and say in words what their bars say."""

from __future__ import annotations

import re

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from shards.cli import Distribution, Names
from tools.report.charts import bars, histogram


def distribution(values: list[float]) -> Distribution:
    numbers = Distribution()
    numbers.add(np.array(values))
    return numbers


@settings(max_examples=60, deadline=None)
@given(values=st.lists(st.floats(0, 1e9) | st.integers(0, 50), min_size=1, max_size=60))
def test_every_number_is_in_a_bar_or_told_as_outside(values: list[float]) -> None:
    chart = histogram("x", distribution(values), lambda value: f"{value:g}")
    assert chart is not None
    inside = sum(int(count.replace(",", "")) for count in re.findall(r"<title>([\d,]+)</title>", chart.svg))
    outside = re.search(r"([\d,]+) outside the bars", chart.note)
    assert inside + (int(outside[1]) if outside else 0) == len(values)
    assert chart.svg.isascii() and "nan" not in chart.svg and "\n" not in chart.svg


def test_small_whole_numbers_have_a_bar_each() -> None:
    chart = histogram("x", distribution([1, 1, 2, 4]), lambda value: f"{value:g}", "words")
    assert chart is not None and chart.svg.count("<rect") == 3
    assert (chart.low, chart.high, chart.note) == ("1 words", "4 words", "median 1; from 1 to 4")


def test_wide_ranges_have_a_logarithmic_axis() -> None:
    chart = histogram("x", distribution([1.0, 10.0, 1e6]), str)
    assert chart is not None and "logarithmic axis" in chart.note


def test_nothing_has_no_chart() -> None:
    assert histogram("x", Distribution(), str) is None and bars("x", Names()) is None


def test_rare_names_are_told_together_and_hostile_ones_printable() -> None:
    names = Names()
    names.add([f"n{number}" for number in range(20)] + ["\x1b[31m"], [2] * 20 + [60])
    chart = bars("x", names)
    assert chart is not None and len(chart.rows) == 9
    assert chart.rows[0][:3] == ("\\x1b[31m", "60", "60 %") and chart.rows[-1] == ("all others", "26", "26 %", "")
