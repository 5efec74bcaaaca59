"""Bootstrap intervals: the same everywhere, around the mean, as wide as the normal approximation says."""

from __future__ import annotations

import numpy as np
import pytest

from mcg.metrics.bootstrap import interval, interval_of_sums


def test_an_interval_is_a_function_of_scores_and_name() -> None:
    scores = np.random.default_rng(0).random(200)
    assert interval(scores, "a") == interval(scores, "a") != interval(scores, "b")


def test_the_width_is_that_of_the_normal_approximation() -> None:
    scores = np.random.default_rng(1).random(2000)
    low, high = interval(scores, "a")
    error = scores.std() / np.sqrt(len(scores))
    assert low < scores.mean() < high
    assert high - low == pytest.approx(2 * 1.96 * error, rel=0.1)


def test_blocks_change_nothing_but_memory() -> None:
    scores = np.random.default_rng(2).random(50)
    assert interval(scores, "a", at_once=50) == pytest.approx(interval(scores, "a"))


def test_equal_scores_leave_no_doubt() -> None:
    assert interval(np.full(7, 0.5), "a") == (0.5, 0.5)


def test_a_mean_of_sums_has_the_interval_of_the_mean() -> None:
    scores = np.random.default_rng(3).random(60)
    counts = np.stack([scores, np.ones(60)], 1)
    found = interval_of_sums(counts, lambda sums: sums[:, 0] / sums[:, 1], "a", at_once=600)
    assert found == pytest.approx(interval(scores, "a", at_once=600))
