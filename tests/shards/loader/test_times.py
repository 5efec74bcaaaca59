"""Times: quantiles right to 6 %, borders of a histogram, sums and differences, bounded memory."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from shards.loader.times import Clock, Times


def clocked(nanoseconds: list[int]) -> Times:
    clock = Clock()
    for value in nanoseconds:
        clock.note(value)
    return clock.times()


DURATIONS = st.lists(st.integers(0, 1 << 45), min_size=1, max_size=60)


@given(values=DURATIONS, share=st.floats(0, 1))
def test_a_quantile_is_right_to_six_percent(values: list[int], share: float) -> None:
    times = clocked(values)
    exact = sorted(values)[min(int(share * len(values)), len(values) - 1)]
    clipped = min(max(exact, 1 << 10), 1 << 40) / 1e9  # a microsecond to 18 minutes
    assert math.isclose(times.quantile(share), clipped, rel_tol=0.0625)
    assert times.count == times.items == len(values)
    assert math.isclose(times.seconds, sum(values) / 1e9)


@given(values=DURATIONS)
def test_octaves_count_what_took_less(values: list[int]) -> None:
    for border, runs in clocked(values).octaves():
        assert runs == sum(value < round(border * 1e9) for value in values)


@given(first=DURATIONS, second=DURATIONS)
def test_times_of_an_interval_are_those_noted_in_it(first: list[int], second: list[int]) -> None:
    whole, before, after = clocked(first + second), clocked(first), clocked(second)
    assert (whole - before).buckets == after.buckets and (whole - before).items == len(second)
    assert (before + after).buckets == whole.buckets


def test_memory_is_bounded_however_many_runs_there_are() -> None:
    clock = Clock()
    size = len(clock.times().buckets)
    for value in range(0, 1 << 50, 1 << 38):
        clock.note(value)
    assert len(clock.times().buckets) == size == 242
