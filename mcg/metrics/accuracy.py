"""Accuracy of answers: the share that equals the reference as text, overall, by question type and by group of types."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from math import sqrt
from typing import Any

Interval = tuple[float, float]
_Z95 = 1.959963984540054
"""Standard deviations either side of the mean that hold 95 % of a normal distribution."""


def accuracy(
    predictions: Sequence[str],
    answers: Sequence[str],
    types: Sequence[str],
    groups: Mapping[str, Sequence[str]] | None = None,
) -> dict[str, Any]:
    """{"overall": share, "interval": [low, high], "by_type": {type: share}, "by_group": {group: share}, "counts" and
    "intervals": {type or group: ...}}; shares in [0, 1], intervals of 95 %.

    groups: name -> the types whose questions it holds; one that no question is of is left out. Raises ValueError for
    lists of different lengths or of none.
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
    names = {kind: (kind,) for kind in sorted(counts)}
    grouped = {name: tuple(kinds) for name, kinds in (groups or {}).items() if any(counts[kind] for kind in kinds)}
    tally = {
        name: (sum(right[kind] for kind in kinds), sum(counts[kind] for kind in kinds))
        for name, kinds in {**names, **grouped}.items()
    }
    shares = {name: of / count for name, (of, count) in tally.items()}
    return {
        "overall": sum(right.values()) / len(answers),
        "interval": list(_wilson(sum(right.values()), len(answers))),
        "by_type": {name: shares[name] for name in names},
        **({"by_group": {name: shares[name] for name in grouped}} if grouped else {}),
        "counts": {name: count for name, (_, count) in tally.items()},
        "intervals": {name: list(_wilson(of, count)) for name, (of, count) in tally.items()},
    }


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


def _wilson(right: int, count: int) -> Interval:
    """95 % confidence interval of a share, right of count > 0, by Wilson (1927): never outside [0, 1], and of use for
    few questions too. Questions are taken as independent; those of one video are less than that."""
    share, z2 = right / count, _Z95**2
    middle = (share + z2 / (2 * count)) / (1 + z2 / count)
    half = _Z95 * sqrt(share * (1 - share) / count + z2 / (4 * count**2)) / (1 + z2 / count)
    return max(0.0, middle - half), min(1.0, middle + half)
