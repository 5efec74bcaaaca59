"""Accuracy of open-ended answers: the share that equals the reference as text, overall and by question type."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any


def accuracy(predictions: Sequence[str], answers: Sequence[str], types: Sequence[str]) -> dict[str, Any]:
    """{"overall": share, "by_type": {type: share}, "counts": {type: questions}}; shares in [0, 1].

    Raises ValueError for lists of different lengths or of none.
    """
    if not len(predictions) == len(answers) == len(types) or not answers:
        raise ValueError(
            f"accuracy needs lists of one length above 0, found {len(predictions)} predictions, {len(answers)} answers "
            f"and {len(types)} types"
        )
    right: Counter[str] = Counter()
    counts: Counter[str] = Counter(types)
    for prediction, answer, kind in zip(predictions, answers, types, strict=True):
        right[kind] += prediction == answer
    by_type = {kind: right[kind] / counts[kind] for kind in sorted(counts)}
    return {"overall": sum(right.values()) / len(answers), "by_type": by_type, "counts": dict(sorted(counts.items()))}


def commonest_answer_accuracy(answers: Sequence[str], types: Sequence[str]) -> dict[str, Any]:
    """Accuracy of always giving the commonest answer of the question's type, found on the very answers it is scored on
    (so an upper bound for a model that ignores the video and the question's words). An answer "" is one that is not
    known, and never right."""
    by_type: dict[str, Counter[str]] = {}
    for answer, kind in zip(answers, types, strict=True):
        by_type.setdefault(kind, Counter())[answer] += 1
    for count in by_type.values():
        count[""] = 0
    commonest = {kind: max(sorted(count), key=count.__getitem__) or "<unknown>" for kind, count in by_type.items()}
    return accuracy([commonest[kind] for kind in types], answers, types)
