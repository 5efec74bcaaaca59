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


def among_best(scores_QC: Matrix, depth: int) -> npt.NDArray[np.bool_]:
    """(Q, C) True for the `depth` best candidates of each query; of equal ones that with the lower number."""
    best = np.zeros(scores_QC.shape, np.bool_)
    for first in range(0, len(best), _QUERIES_AT_ONCE):
        rows = slice(first, first + _QUERIES_AT_ONCE)
        order = np.argsort(-scores_QC[rows], axis=1, kind="stable")[:, :depth]
        np.put_along_axis(best[rows], order, True, 1)
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
    contrast = contrast_QC.astype(np.float64)
    if match_QC is None or depth is None:
        return contrast
    best = among_best(contrast_QC, depth)
    again = match_QC.astype(np.float64)
    assert not np.isnan(again[best]).any(), "a candidate among the best was not fused"
    if temperature is not None:
        again = log_product(contrast / temperature, again, best)
    lift = 1.0 + contrast.max(initial=0.0) - again[best].min(initial=0.0)
    return np.where(best, again + lift, contrast)


def log_product(logits_QC: Scores, match_QC: Scores, best_QC: npt.NDArray[np.bool_]) -> Scores:
    """Of the candidates in `best_QC` the logarithm of the soft-max over them times the probability of a match; minus
    infinity for the others. Every query has a candidate."""
    logits = np.where(best_QC, logits_QC, -np.inf)
    logits -= logits.max(1, keepdims=True)
    share = logits - np.log(np.exp(logits).sum(1, keepdims=True))
    return share - np.logaddexp(0.0, -np.where(best_QC, match_QC, 0.0))
