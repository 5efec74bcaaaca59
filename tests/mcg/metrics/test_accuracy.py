"""Accuracy on lists that one can check by eye, and what holds for any lists."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcg.metrics.accuracy import accuracy, commonest_answer_accuracy

ANSWERED = st.lists(
    st.tuples(st.sampled_from("abc"), st.sampled_from("abc"), st.sampled_from(["color", "count"])), min_size=1
)


def test_shares_by_eye() -> None:
    found = accuracy(["red", "two", "red", "one"], ["red", "two", "blue", "two"], ["color", "count", "color", "count"])
    assert (found["overall"], found["by_type"]) == (0.5, {"color": 0.5, "count": 0.5})
    assert found["counts"] == {"color": 2, "count": 2} and "by_group" not in found


def test_groups_hold_the_questions_of_their_types() -> None:
    groups = {"both": ("color", "count"), "rest": ("count", "where"), "none": ("who",)}
    found = accuracy(["a", "b", "c"], ["a", "b", "x"], ["color", "count", "where"], groups)
    assert found["by_group"] == {"both": 1.0, "rest": 0.5}
    assert found["counts"] == {"color": 1, "count": 1, "where": 1, "both": 2, "rest": 2}


def _interval(right: int, count: int) -> list[float]:
    """The interval that goes with so many right answers."""
    found: list[float] = accuracy(["a"] * count, ["a"] * right + ["b"] * (count - right), ["x"] * count)["interval"]
    return found


@pytest.mark.parametrize(
    ("right", "count", "low", "high"),
    [(0, 10, 0.0, 0.2775), (5, 10, 0.2366, 0.7634), (10, 10, 0.7225, 1.0), (421, 1000, 0.3907, 0.4519)],
)
def test_intervals_are_wilsons(right: int, count: int, low: float, high: float) -> None:
    assert _interval(right, count) == pytest.approx((low, high), abs=1e-4)


@given(st.integers(1, 2000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_an_interval_holds_its_share_and_stays_within_bounds(numbers: tuple[int, int]) -> None:
    low, high = _interval(*numbers)
    assert 0 <= low <= numbers[0] / numbers[1] + 1e-12 and numbers[0] / numbers[1] - 1e-12 <= high <= 1


def test_the_commonest_answer_of_each_type_by_eye() -> None:
    found = commonest_answer_accuracy(["red", "red", "blue", "two"], ["color", "color", "color", "count"])
    assert found["overall"] == 0.75
    assert found["by_type"] == {"color": 2 / 3, "count": 1.0}


def test_unknown_answers_are_never_right() -> None:
    assert commonest_answer_accuracy(["", "", "red"], ["failed", "failed", "color"])["overall"] == 1 / 3
    assert commonest_answer_accuracy(["", "", "red"], ["color"] * 3)["overall"] == 1 / 3


@given(ANSWERED)
def test_shares_lie_between_none_and_all_and_add_up(answered: list[tuple[str, str, str]]) -> None:
    given_, answers, types = map(list, zip(*answered, strict=True))
    found = accuracy(given_, answers, types)
    assert 0 <= found["overall"] <= 1
    right = sum(found["by_type"][kind] * found["counts"][kind] for kind in found["counts"])
    assert right == pytest.approx(found["overall"] * len(answers))
    assert accuracy(answers, answers, types)["overall"] == 1


@given(ANSWERED)
def test_no_answer_by_type_alone_beats_the_commonest(answered: list[tuple[str, str, str]]) -> None:
    _, answers, types = map(list, zip(*answered, strict=True))
    best = commonest_answer_accuracy(answers, types)["overall"]
    for color in "abc":
        for count in "abc":
            chosen = [color if kind == "color" else count for kind in types]
            assert accuracy(chosen, answers, types)["overall"] <= best


@pytest.mark.parametrize("lists", [([], [], []), (["a"], ["a", "b"], ["t", "t"]), (["a"], ["a"], [])])
def test_lists_of_no_or_different_length_are_refused(lists: tuple[list[str], list[str], list[str]]) -> None:
    with pytest.raises(
        ValueError, match=r"accuracy needs lists of one length above 0, found \d predictions, \d answers"
    ):
        accuracy(*lists)
