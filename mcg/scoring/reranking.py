"""The scores by which a query ranks its candidates: by contrast, by matching, or by contrast and the best of it again.

The best by contrast stand before all others, in the order of matching, or of T2VLP's product: the soft-max over them of
contrast / temperature, times the probability of a match (docs/facts/t2vlp.md 4). The others follow by contrast. The
product is taken as the sum of logarithms, in which no candidate's score becomes 0 and ties with another's.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Matrix = npt.NDArray[np.float32]
Scores = npt.NDArray[np.float64]
_QUERIES_AT_ONCE = 64
"""Rows of scores that are sorted together."""


def best_places(scores_QC: Matrix, depth: int) -> npt.NDArray[np.int64]:
    """int64 (Q, D), D at most depth: the best candidates of each query, best first; of equal ones the lower number."""
    best = np.zeros((len(scores_QC), min(depth, scores_QC.shape[1])), np.int64)
    for first in range(0, len(best), _QUERIES_AT_ONCE):
        rows = slice(first, first + _QUERIES_AT_ONCE)
        best[rows] = np.argsort(-scores_QC[rows], axis=1, kind="stable")[:, :depth]
    return best


def among_best(scores_QC: Matrix, depth: int) -> npt.NDArray[np.bool_]:
    """(Q, C) True for these candidates."""
    best = np.zeros(scores_QC.shape, np.bool_)
    np.put_along_axis(best, best_places(scores_QC, depth), True, 1)
    return best


def ranking_scores(
    contrast_QC: Matrix | None, match_QC: Matrix | None, depth: int | None, temperature: float | None = None
) -> Scores:
    """The scores by which each query ranks its candidates. contrast_QC: products of features; match_QC: differences of
    the match logits, None ranks by contrast. depth: so many of the best by contrast stand first; None: all are ranked
    by matching, whatever the contrast is. temperature: ranks the first ones by the product, None by matching."""
    if match_QC is not None and depth is None:
        return match_QC.astype(np.float64)
    assert contrast_QC is not None
    scores = contrast_QC.astype(np.float64)
    if match_QC is None or depth is None:
        return scores
    best_QD = best_places(contrast_QC, depth)
    again_QD = np.take_along_axis(match_QC, best_QD, 1).astype(np.float64)
    assert not np.isnan(again_QD).any(), "a candidate among the best was not fused"
    if temperature is not None:
        again_QD = log_product(np.take_along_axis(scores, best_QD, 1) / temperature, again_QD)
    lift = 1.0 + scores.max(initial=0.0) - again_QD.min(initial=0.0)
    np.put_along_axis(scores, best_QD, again_QD + lift, 1)
    return scores


def log_product(logits_QD: Scores, match_QD: Scores) -> Scores:
    """Logarithm of the soft-max over the candidates of each query, times the probability of a match."""
    logits = logits_QD - logits_QD.max(1, keepdims=True)
    share = logits - np.log(np.exp(logits).sum(1, keepdims=True))
    return share - np.logaddexp(0.0, -match_QD)
