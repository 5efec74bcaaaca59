"""Percentiles and names of a stream are exact for few, close for many, and take bounded memory."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shards.cli.verbs.distributions import Distribution, Names


@settings(max_examples=60)
@given(values=st.lists(st.integers(0, 10**12), min_size=1, max_size=200), percent=st.sampled_from([1, 50, 90, 99]))
def test_percentiles_are_exact_for_few_and_close_for_many(values: list[int], percent: int) -> None:
    exact = sorted(values)[max(0, -(-len(values) * percent // 100) - 1)]
    few, many = Distribution(), Distribution(max_exact=0)
    for part in (values[:50], values[50:]):
        few.add(np.array(part, np.int64))
        many.add(np.array(part, np.int64))
    assert few.percentile(percent) == exact
    assert many.percentile(percent) == pytest.approx(exact, rel=0.006)
    assert many.to_dict()["total"] == sum(values) or sum(values) > 2**53


def test_a_million_values_turn_into_buckets_without_a_jump() -> None:
    numbers = Distribution()
    numbers.add(np.arange(100_000))
    tracemalloc.start()
    try:
        for start in range(100_000, 1_200_000, 100_000):
            numbers.add(np.arange(start, start + 100_000))
        kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert kept < 400_000  # of 8.8 MB
    assert numbers.percentile(50) == pytest.approx(600_000, rel=0.006)
    assert numbers.to_dict()["max"] == 1_199_999 and numbers.to_dict()["min"] == 0


def test_numbers_that_are_none_do_not_count() -> None:
    numbers = Distribution()
    numbers.add(np.array([np.nan, np.inf, -1.0]))
    assert numbers.to_dict() == {"count": 0, "total": 0} and np.isnan(numbers.percentile(50))


def test_rare_names_become_other() -> None:
    names = Names(max_names=10)
    names.add(["common"], [1000])
    for i in range(100):
        names.add([f"name {i}"], [1])
        assert len(names.to_dict(most=1000)) <= 10 + 1
    found = names.to_dict(most=3)
    assert found["common"] == 1000 and sum(found.values()) == 1100 and len(found) == 4
