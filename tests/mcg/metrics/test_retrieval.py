"""Recall on matrices that one can check by eye, and what holds for any matrices."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcg.metrics.retrieval import recall

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
