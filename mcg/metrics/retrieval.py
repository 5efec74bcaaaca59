"""Text-video retrieval: places of the right candidates in rankings by score, and recall at K, in both directions.

A query may have several right candidates, of which the best placed counts. Ties count against the model: a wrong
candidate with the score of the right one stands before it. Beside it stands the mean place over ties, which is what a
random order of them gives on average; of a control that makes candidates alike it is the fair figure.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from mcg.metrics.bootstrap import interval

Float = npt.NDArray[np.float64]
RANKS = (1, 5, 10)


class Places(NamedTuple):
    """The place of the best right candidate of each query, in the order of the queries."""

    ahead_Q: npt.NDArray[np.int64]
    """Wrong candidates with a better score."""
    tied_Q: npt.NDArray[np.int64]
    """Wrong candidates with the same score."""

    @property
    def place_Q(self) -> Float:
        """From 1; ties count against the model."""
        return (1 + self.ahead_Q + self.tied_Q).astype(np.float64)

    @property
    def mean_place_Q(self) -> Float:
        """From 1; the mean over all orders of what is tied."""
        return 1.0 + self.ahead_Q + self.tied_Q / 2


def places(scores_QC: npt.NDArray[Any], right_QC: npt.NDArray[np.bool_]) -> Places:
    """The places in the rankings of C candidates for Q queries. Every query has a right candidate."""
    assert scores_QC.shape == right_QC.shape and right_QC.any(1).all(), (scores_QC.shape, right_QC.shape)
    best = np.where(right_QC, scores_QC, -np.inf).max(1, keepdims=True)
    return Places(((scores_QC > best) & ~right_QC).sum(1), ((scores_QC == best) & ~right_QC).sum(1))


def first_places(scores_QC: npt.NDArray[Any], right_QC: npt.NDArray[np.bool_]) -> Places:
    """As the releases count them: of equal scores the candidate with the lower number stands first, so nothing ties."""
    order = np.argsort(-scores_QC, axis=1, kind="stable")
    ahead = np.take_along_axis(right_QC, order, 1).argmax(1)
    return Places(ahead, np.zeros_like(ahead))


def recall(
    video_NE: npt.NDArray[np.float32],
    text_NE: npt.NDArray[np.float32],
    texts: Sequence[str],
    ranks: Sequence[int],
    num_failed: int = 0,
) -> dict[str, Any]:
    """{"text_to_video": {"R1": share, ...}, "video_to_text": ...}; row i of one belongs to row i of the other.

    A hit on a row with the same text counts, since nothing tells such rows apart. Ties count against the model, and so
    do `num_failed` queries that have no row. Raises ValueError for matrices that do not fit together or have no row.
    """
    if video_NE.shape != text_NE.shape or video_NE.ndim != 2 or not len(texts) == len(text_NE) > 0:
        raise ValueError(
            f"recall needs one row per pair, found matrices {video_NE.shape} and {text_NE.shape} for {len(texts)} texts"
        )
    scores = text_NE @ video_NE.T
    _, names = np.unique(np.asarray(texts), return_inverse=True)
    same = names[:, None] == names[None, :]
    found = {"text_to_video": places(scores, same), "video_to_text": places(scores.T, same)}
    return {direction: {f"R{k}": _share(of.place_Q, k, num_failed) for k in ranks} for direction, of in found.items()}


def ranking_metrics(found: Places, num_candidates: int, num_failed: int, name: str) -> dict[str, Any]:
    """Recall at 1, 5 and 10 with 95 % intervals (bootstrap over queries), median and mean place, and the same by the
    mean place over ties.

    num_failed: queries that have no ranking, as their clip could not be used: never a hit, and of place
    num_candidates + 1. name: of what, for the draws of the bootstrap.
    """
    last = np.full(num_failed, 1.0 + num_candidates)
    metrics: dict[str, Any] = {}
    for kind, place in (("", found.place_Q), ("by_mean_place", found.mean_place_Q)):
        whole = np.concatenate([place, last])
        table: dict[str, Any] = {f"R{k}": _share(place, k, num_failed) for k in RANKS}
        table |= {"median_place": float(np.median(whole)), "mean_place": float(whole.mean())}
        metrics |= {kind: table} if kind else table
    missed = np.zeros(num_failed)
    hits = {f"R{k}": np.concatenate([found.place_Q <= k, missed]).astype(np.float64) for k in RANKS}
    metrics["intervals"] = {hit: list(interval(share, f"{name} {hit}")) for hit, share in hits.items()}
    return metrics | {"queries": len(found.ahead_Q) + num_failed, "candidates": num_candidates}


def _share(place_Q: Float, k: int, num_failed: int) -> float:
    return float((place_Q <= k).sum() / (len(place_Q) + num_failed))
