"""Durations in every unit, and the learning rate over a run."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from mcg.engine.schedule import Duration, Schedule, ScheduleConfig

DECAYS = st.sampled_from(["linear", "cosine", "constant"])


@pytest.mark.parametrize(
    ("given_", "steps"),
    [
        ({"steps": 7}, 7),
        ({"passes": 2}, 20),
        ({"passes": 0.5}, 5),
        ({"elements": 33}, 4),
        ({"percent": 5}, 3),
        ({"passes": 0.1}, 1),
        ({"percent": 7}, 4),
    ],
)
def test_every_unit_becomes_steps_rounded_up(given_: dict[str, float], steps: int) -> None:
    duration = Duration.model_validate(given_)
    assert duration.to_steps(elements_per_step=10, elements_per_pass=100, total_steps=50) == steps


@given(st.integers(1, 10_000), st.integers(0, 100))
def test_a_whole_percent_of_hundreds_is_exact(hundreds: int, percent: int) -> None:
    assert Duration(percent=percent).to_steps(1, 1, 100 * hundreds) == percent * hundreds


@pytest.mark.parametrize("given_", [{}, {"steps": 1, "passes": 1}])
def test_exactly_one_unit_is_given(given_: dict[str, int]) -> None:
    with pytest.raises(ValidationError, match="give exactly one of steps, passes, elements, percent; found"):
        Duration.model_validate(given_)


def test_a_run_has_no_length_in_percent() -> None:
    with pytest.raises(ValueError, match=r"schedule\.length cannot be given in percent; use steps, passes or elements"):
        Schedule(ScheduleConfig(length=Duration(percent=50)), 1, 1)


def test_a_run_has_at_least_one_step() -> None:
    with pytest.raises(ValueError, match=r"schedule\.length: a run needs at least one step, found"):
        Schedule(ScheduleConfig(length=Duration(steps=0)), 1, 1)


def _schedule(total: int, warmup: int, decay: str, final: float) -> Schedule:
    config = {"length": {"steps": total}, "warmup": {"steps": warmup}, "decay": decay, "final": final}
    return Schedule(ScheduleConfig.model_validate(config), 1, 1)


@given(st.integers(1, 300), st.integers(0, 300), DECAYS, st.floats(0, 1))
def test_the_rate_rises_in_the_warm_up_falls_after_it_and_stays_in_bounds(
    total: int, warmup: int, decay: str, final: float
) -> None:
    schedule = _schedule(total, warmup, decay, final)
    factors = [schedule.factor(step) for step in range(total)]
    assert all(0 <= factor <= 1 for factor in factors)
    rising, falling = factors[: min(warmup, total)], factors[warmup:]
    assert all(a < b for a, b in pairwise(rising))
    assert all(a >= b - 1e-12 for a, b in pairwise(falling))
    assert factors[0] > 0
    if falling:
        assert falling[0] == 1
        assert min(falling) >= (1.0 if decay == "constant" else final) - 1e-12


@given(st.integers(2, 300), st.integers(0, 100), st.sampled_from(["linear", "cosine"]), st.floats(0, 1))
def test_the_rate_ends_at_its_final_share(total: int, warmup: int, decay: str, final: float) -> None:
    warmup = min(warmup, total - 1)
    schedule = _schedule(total, warmup, decay, final)
    assert schedule.factor(total) == pytest.approx(final, abs=1e-9)
    # The last step taken is one short of it.
    assert schedule.factor(total - 1) - final <= 2.5 / (total - warmup) + 1e-9


@pytest.mark.parametrize(("percent", "after"), [(20, 0.9045), (10, 0.9755), (0, 1.0)])
def test_the_released_cosine_is_one_of_the_whole_run_and_jumps_down_after_the_warm_up(
    percent: int, after: float
) -> None:
    released, ours = (_schedule(1000, 10 * percent, decay, 0.1) for decay in ("cosine_release", "cosine"))
    first = released.warmup_steps
    assert [released.factor(step) for step in range(first)] == [ours.factor(step) for step in range(first)]
    assert released.factor(first) == pytest.approx(0.1 + 0.9 * after, abs=1e-4) and ours.factor(first) == 1
    falling = [released.factor(step) for step in range(first, 1001)]
    assert all(a > b for a, b in pairwise(falling)) and falling[-1] == pytest.approx(0.1, abs=1e-9)
    assert released.factor(500) == pytest.approx(0.1 + 0.9 / 2)


def test_warm_up_in_percent_of_the_run() -> None:
    schedule = Schedule(ScheduleConfig(length=Duration(passes=2)), elements_per_step=10, elements_per_pass=1000)
    assert (schedule.total_steps, schedule.warmup_steps) == (200, 10)
