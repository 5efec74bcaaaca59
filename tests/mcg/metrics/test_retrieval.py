"""Recall on matrices that one can check by eye, and what holds for any matrices."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcg.metrics.retrieval import first_places, places, ranking_metrics, recall

EYE = np.eye(4, dtype=np.float32)
TEXTS = ["a", "b", "c", "d"]


def test_equal_features_find_each_other() -> None:
    assert recall(EYE, EYE, TEXTS, (1,)) == {"text_to_video": {"R1": 1.0}, "video_to_text": {"R1": 1.0}}


def test_ranks_by_eye() -> None:
    # scores[t, v]: text 0 puts its video first, text 1 second, text 2 third
    scores = np.array([[3, 2, 1], [3, 2, 1], [3, 2, 1]], np.float32)
    found = recall(np.eye(3, dtype=np.float32), scores, ["a", "b", "c"], (1, 2, 3))
    assert found["text_to_video"] == pytest.approx({"R1": 1 / 3, "R2": 2 / 3, "R3": 1.0})
    assert found["video_to_text"] == {"R1": 0.0, "R2": 0.0, "R3": 1.0}  # all texts tie for every video


def test_ties_count_against_the_model() -> None:
    same = np.ones((4, 2), np.float32)
    assert recall(same, same, TEXTS, (1, 3, 4))["text_to_video"] == {"R1": 0.0, "R3": 0.0, "R4": 1.0}


def test_a_row_with_the_same_text_is_a_hit() -> None:
    swapped = EYE[[1, 0, 2, 3]]
    assert recall(EYE, swapped, ["a", "a", "c", "d"], (1,))["text_to_video"]["R1"] == 1.0
    assert recall(EYE, swapped, TEXTS, (1,))["text_to_video"]["R1"] == 0.5


def test_failed_rows_count_as_wrong() -> None:
    assert recall(EYE, EYE, TEXTS, (1, 10), num_failed=1)["video_to_text"] == {"R1": 0.8, "R10": 0.8}


@given(st.integers(1, 12), st.integers(0, 2**32 - 1))
def test_recall_rises_with_the_rank_and_ends_at_one(num_rows: int, seed: int) -> None:
    g = np.random.default_rng(seed)
    video, text = g.standard_normal((2, num_rows, 3)).astype(np.float32)
    texts = [str(i) for i in g.integers(0, 6, num_rows)]
    for shares in recall(video, text, texts, range(1, num_rows + 1)).values():
        values = list(shares.values())
        assert values == sorted(values) and values[0] >= 0 and values[-1] == 1.0
    order = g.permutation(num_rows)
    shuffled = recall(video[order], text[order], [texts[i] for i in order], (1, 2))
    assert shuffled == recall(video, text, texts, (1, 2))


@pytest.mark.parametrize(("rows", "texts"), [(0, []), (3, ["a"])])
def test_rows_that_do_not_fit_are_refused(rows: int, texts: list[str]) -> None:
    features = np.zeros((rows, 2), np.float32)
    with pytest.raises(ValueError, match=r"recall needs one row per pair, found matrices \(\d, 2\) and"):
        recall(features, features, texts, (1,))


def test_the_best_placed_of_several_right_candidates_counts() -> None:
    scores = np.array([[0.9, 0.5, 0.7], [0.1, 0.2, 0.3]])
    right = np.array([[False, True, True], [True, True, False]])
    assert places(scores, right).place_Q.tolist() == [2, 2]


def test_the_mean_place_of_what_ties_is_that_of_a_random_order() -> None:
    found = places(np.zeros((2, 5)), np.eye(2, 5, dtype=bool))
    assert found.place_Q.tolist() == [5, 5] and found.mean_place_Q.tolist() == [3, 3]


def test_the_releases_let_the_lower_number_win_a_tie() -> None:
    assert first_places(np.zeros((3, 3)), np.eye(3, dtype=bool)).place_Q.tolist() == [1, 2, 3]


@given(st.integers(0, 2**32 - 1))
def test_places_are_those_of_a_sorted_list(seed: int) -> None:
    generator = np.random.default_rng(seed)
    scores = generator.integers(0, 4, (6, 5)).astype(float)
    right = generator.random((6, 5)) < 0.3
    right[np.arange(6), generator.integers(0, 5, 6)] = True
    found, first = places(scores, right), first_places(scores, right)
    for query in range(6):
        order = sorted(range(5), key=lambda c: (-scores[query, c], c))
        assert first.place_Q[query] == 1 + next(n for n, c in enumerate(order) if right[query, c])
        against = sorted(range(5), key=lambda c: (-scores[query, c], right[query, c]))
        best = scores[query, right[query]].max()
        expected = next(n for n, c in enumerate(against) if right[query, c] and scores[query, c] == best)
        assert found.place_Q[query] == 1 + expected


def test_metrics_count_a_failed_query_behind_all_candidates() -> None:
    table = ranking_metrics(places(np.eye(4), np.eye(4, dtype=bool)), 4, 1, "test")
    assert (table["R1"], table["R10"], table["queries"], table["candidates"]) == (0.8, 0.8, 5, 4)
    assert (table["median_place"], table["mean_place"]) == (1.0, 9 / 5)
    low, high = table["intervals"]["R1"]
    assert 0.2 <= low < 0.8 < high <= 1.0
    assert table["by_mean_place"]["R1"] == 0.8
