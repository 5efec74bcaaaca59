"""METEOR: its formula gives its own numbers, and answers that are not METEOR's are refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mcg.metrics.captioning.java import JavaError, find_java
from mcg.metrics.captioning.meteor import meteor, score_of_counts
from tests.mcg.metrics.stand_in_java import stand_in_java

ZEROS = "0.0 " * 16
COUNTS = [
    "5.0 5.0 2.0 2.0 2.0 2.0 1.0 1.0 0.0 0.0 0.0 0.0 0.0 0.0 0.0 0.0 1.0 1.0 1.0 0.0 2.0 5.0 4.0",
    f"0.0 2.0 0.0 1.0 {ZEROS}0.0 0.0 0.0",
    f"2.0 0.0 1.0 0.0 {ZEROS}0.0 0.0 0.0",
    f"0.0 0.0 0.0 0.0 {ZEROS}0.0 0.0 0.0",
    "2.0 2.0 1.0 1.0 1.0 1.0 1.0 1.0 0.0 0.0 0.0 0.0 0.0 0.0 0.0 0.0 0.0 0.0 0.0 0.0 0.0 2.0 2.0",
]


def test_counts_without_matches_score_nothing_and_equal_texts_one() -> None:
    scores = score_of_counts(np.array([list(map(float, line.split())) for line in COUNTS]))
    assert scores[1:].tolist() == [0, 0, 0, pytest.approx(1)]
    assert 0.3 < scores[0] < 0.7


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ("1.0 2.0", "METEOR answered '1.0 2.0' where 23 counts belonged: not version 1.5"),
        ("Error: specify hypothesis", "METEOR answered 'Error: specify hypothesis' where 23 counts"),
        (COUNTS[0], "METEOR answered '5.0 .*' where a score from 0 to 1 belonged"),
    ],
)
def test_an_answer_of_another_program_is_refused(tmp_path: Path, answer: str, reason: str) -> None:
    pytest.importorskip("pycocoevalcap.bleu.bleu_scorer")
    java = find_java(stand_in_java(tmp_path, f"while input():\n    print({answer!r}, flush=True)"))
    with pytest.raises(JavaError, match=reason):
        meteor([["a"]], ["a"], java, 100)
