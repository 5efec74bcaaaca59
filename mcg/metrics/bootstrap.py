"""Confidence intervals of a mean by the bootstrap: the range of means on other questions of the same kind.

Questions are drawn with replacement, as if they were independent; those of one video are less than that. The draws
come from an addressed generator, so the same scores give the same interval everywhere.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import numpy.typing as npt

from shards.order import rng

RESAMPLES = 1000


Float = npt.NDArray[np.float64]


def interval(scores_N: Float, name: str, at_once: int = 1 << 22) -> tuple[float, float]:
    """95 % interval of the mean of N > 0 scores (percentiles of RESAMPLES means). name: of what, for the address.
    at_once: draws that are held in memory."""
    means = [scores_N[draws_RN].mean(1) for draws_RN in _draws(len(scores_N), name, at_once)]
    return _bounds(np.concatenate(means))


def interval_of_sums(
    counts_NC: Float, score: Callable[[Float], Float], name: str, at_once: int = 1 << 22
) -> tuple[float, float]:
    """95 % interval of a score of the sums of C counts over N > 0 items, as BLEU is one: score maps (R, C) to (R,)."""
    scores = [
        score(np.stack([count_N[draws_RN].sum(1) for count_N in counts_NC.T], 1))
        for draws_RN in _draws(len(counts_NC), name, at_once)
    ]
    return _bounds(np.concatenate(scores))


def _draws(num: int, name: str, at_once: int) -> Iterator[npt.NDArray[np.int64]]:
    """RESAMPLES rows of num draws in all."""
    generator = rng(0, name, 0, "", "", 0, 0, "bootstrap")
    left = RESAMPLES
    while left:
        block = min(left, max(1, at_once // num))
        yield generator.integers(num, size=(block, num))
        left -= block


def _bounds(values: Float) -> tuple[float, float]:
    low, high = np.percentile(values, [2.5, 97.5])
    return float(low), float(high)
