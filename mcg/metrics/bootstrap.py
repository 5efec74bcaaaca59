"""Confidence intervals of a mean by the bootstrap: the range of means on other questions of the same kind.

Questions are drawn with replacement, as if they were independent; those of one video are less than that. The draws
come from an addressed generator, so the same scores give the same interval everywhere.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from shards.order import rng

RESAMPLES = 1000


def interval(scores_N: npt.NDArray[np.float64], name: str, at_once: int = 1 << 22) -> tuple[float, float]:
    """95 % interval of the mean of N > 0 scores (percentiles of RESAMPLES means). name: of what, for the address.
    at_once: draws that are held in memory."""
    generator = rng(0, name, 0, "", "", 0, 0, "bootstrap")
    num = len(scores_N)
    means: list[float] = []
    while len(means) < RESAMPLES:
        block = min(RESAMPLES - len(means), max(1, at_once // num))
        means += scores_N[generator.integers(num, size=(block, num))].mean(1).tolist()
    low, high = np.percentile(means, [2.5, 97.5])
    return float(low), float(high)
