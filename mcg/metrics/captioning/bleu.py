"""BLEU-1 to 4 by pycocoevalcap, and the counts of each video, which intervals add up."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Float = npt.NDArray[np.float64]
# As pycocoevalcap: they keep a share of nothing at nearly 0.
_SMALL, _TINY = 1e-9, 1e-15
ORDERS = 4


class _Bleu(NamedTuple):
    """BLEU of N videos, by order."""

    score_4: tuple[float, ...]
    score_4N: Float
    counts_NC: Float
    """Equal n-grams by order, n-grams by order, words, words of the reference of the closest length."""


def bleu(references: Sequence[Sequence[str]], predictions: Sequence[str]) -> _Bleu:
    """Scores of tokenized predictions against the tokenized references of each."""
    from pycocoevalcap.bleu.bleu_scorer import BleuScorer

    scorer = BleuScorer(n=ORDERS)
    for known, given in zip(references, predictions, strict=True):
        scorer += (given, list(known))
    score_4, score_4N = scorer.compute_score(option="closest", verbose=0)
    counts = []
    for compared in scorer.ctest:
        words = compared["testlen"]
        closest = min((abs(length - words), length) for length in compared["reflen"])[1]
        counts.append([*compared["correct"], *compared["guess"], words, closest])
    return _Bleu(tuple(map(float, score_4)), np.array(score_4N), np.array(counts, np.float64))


def bleu_of_counts(counts_xC: Float, order: int) -> Float:
    """BLEU of an order (1 to 4) of each row of counts."""
    equal, all_of = counts_xC[..., :order], counts_xC[..., ORDERS : ORDERS + order]
    shares = ((equal + _TINY) / (all_of + _SMALL)).prod(-1) ** (1 / order)
    ratio = (counts_xC[..., -2] + _TINY) / (counts_xC[..., -1] + _SMALL)
    return np.where(ratio < 1, shares * np.exp(1 - 1 / np.minimum(ratio, 1)), shares)
