"""BLEU: the counts of videos add up to the score of all."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcg.metrics.captioning.bleu import ORDERS, bleu, bleu_of_counts

pytest.importorskip("pycocoevalcap.bleu.bleu_scorer", reason="pip install 'mcg-streams[captions]'")
TEXTS = st.lists(st.sampled_from(["a", "man", "plays", "the", "guitar"]), max_size=8).map(" ".join)
VIDEOS = st.lists(st.tuples(TEXTS, st.lists(TEXTS, min_size=1, max_size=4)), min_size=1, max_size=6)


@given(VIDEOS)
def test_counts_add_up_to_the_score(videos: list[tuple[str, list[str]]]) -> None:
    found = bleu([known for _, known in videos], [text for text, _ in videos])
    for order in range(1, ORDERS + 1):
        whole = bleu_of_counts(found.counts_NC.sum(0), order)
        assert float(whole) == pytest.approx(found.score_4[order - 1], rel=1e-9, abs=1e-300)
        each = bleu_of_counts(found.counts_NC, order)
        assert each.tolist() == pytest.approx(found.score_4N[order - 1].tolist(), rel=1e-9, abs=1e-300)


def test_a_shorter_text_is_held_to_the_reference_of_the_closest_length() -> None:
    found = bleu([["a b c d e", "a b c d e f g h"]], ["a b c d"])
    assert found.counts_NC.tolist() == [[4, 3, 2, 1, 4, 3, 2, 1, 4, 5]]
    assert found.score_4[0] == pytest.approx(2.718281828 ** (1 - 5 / 4))
