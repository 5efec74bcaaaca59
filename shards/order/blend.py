"""Blends: a fixed cycle of turns that says which dataset feeds each step, or each slot.

Promises: with whole weights w_d of total T, after any number of turns every dataset has had its exact share w_d/T of
them, give or take less than one turn (Tijdeman's chairman assignment, 1980; always serving the largest deficit does
not keep that). A blend has no randomness and no memory besides (q, positions). Gives up: weights per element, and
weights finer than 1/100,000.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from operator import mul
from typing import Literal

import numpy as np

from shards.order.order import Int64, distinct

Unit = Literal["step", "sample"]

_FLOAT_TOTAL = 1000
_MAX_TOTAL = 100_000


def whole_weights(weights: Sequence[float]) -> list[int]:
    """Weights as whole numbers without a common divisor; fractions are first rounded to a total of 1000.

    Raises ValueError for weights that are not positive, that vanish in rounding, or whose cycle would be too long.
    """
    if not weights or any(not math.isfinite(w) or w <= 0 for w in weights):
        raise ValueError(f"blend weights must be positive numbers, found {list(weights)}")
    whole = [int(w) for w in weights] if all(w == int(w) for w in weights) else _round_to_total(weights)
    if 0 in whole:
        raise ValueError(
            f"blend weights {list(weights)} round to {whole} of {_FLOAT_TOTAL}: a dataset would never be read; "
            "give whole numbers, or a larger weight"
        )
    divisor = math.gcd(*whole)
    whole = [w // divisor for w in whole]
    if sum(whole) > _MAX_TOTAL:
        raise ValueError(
            f"blend weights {list(weights)}: a cycle of {sum(whole)} turns, at most {_MAX_TOTAL} are allowed; "
            "round them, or give fractions (rounded to a total of 1000)"
        )
    return whole


class Blend:
    """Hands the slots of global batches to datasets; every dataset takes its own positions one after the other."""

    def __init__(self, weights: Sequence[float], unit: Unit, batches_per_turn: int = 1) -> None:
        """unit "step": a whole batch is of one dataset, and a turn is one batch or several in a row; "sample": every
        slot is one turn."""
        if unit not in ("step", "sample"):
            raise ValueError(f"blend unit must be 'step' or 'sample', found {unit!r}")
        self.weights = whole_weights(weights)
        self.unit = unit
        self.batches_per_turn = batches_per_turn
        self._cycle = _cycle(self.weights)

    def mean(self, numbers: Sequence[int]) -> float:
        """The mean over turns of a number of each dataset."""
        return sum(map(mul, self.weights, numbers)) / len(self._cycle)

    def slots(
        self, q: int, positions: Sequence[int], batch_size: int | Sequence[int]
    ) -> tuple[Int64, Int64, int, list[int]]:
        """One global batch, the one with number `q` (unit "sample": from turn `q` on), where `positions` are the next
        positions of the datasets. batch_size: of all batches, or (unit "step") of those of each dataset.

        Returns (dataset of each slot (B,), position in that dataset (B,), next q, next positions).
        """
        total = len(self._cycle)
        next_positions = list(positions)
        d = int(self._cycle[q // self.batches_per_turn % total])
        batch_size = batch_size if isinstance(batch_size, int) else batch_size[d]
        next_q = q + (1 if self.unit == "step" else batch_size)
        if self.unit == "step" or total == 1:
            next_positions[d] += batch_size
            position = np.arange(positions[d], next_positions[d], dtype=np.int64)
            return np.full(batch_size, d), position, next_q, next_positions
        dataset = self._cycle[(q % total + np.arange(batch_size)) % total]
        position = np.empty(batch_size, dtype=np.int64)
        for d in distinct(dataset):
            here = np.flatnonzero(dataset == d)
            position[here] = positions[d] + np.arange(here.size)
            next_positions[d] += here.size
        return dataset, position, next_q, next_positions


def _round_to_total(weights: Sequence[float]) -> list[int]:
    """Round to whole numbers of a fixed total by largest remainders, ties by index."""
    exact = [w / math.fsum(weights) * _FLOAT_TOTAL for w in weights]
    whole = [int(x) for x in exact]
    by_remainder = sorted(range(len(exact)), key=lambda d: (whole[d] - exact[d], d))
    for d in by_remainder[: _FLOAT_TOTAL - sum(whole)]:
        whole[d] += 1
    return whole


def _cycle(weights: Sequence[int]) -> Int64:
    """(T,) int64 The dataset of each of the T = sum(weights) turns, in exact arithmetic."""
    total, num = sum(weights), len(weights)
    turns = np.zeros(total, dtype=np.int64)
    if num == 1:
        return turns
    # All quantities of docs/order.md times T (2D - 2), so that they are whole: share = s_d, limit = g,
    # due = (1 - g - s_d).
    scale = 2 * num - 2
    served = [0] * num
    for turn in range(1, total + 1):
        chosen, chosen_due = -1, 0
        for d, weight in enumerate(weights):
            share = scale * (turn * weight - served[d] * total)
            if share < total:
                continue
            due = scale * total - total - share
            if chosen < 0 or due * weights[chosen] < chosen_due * weight:
                chosen, chosen_due = d, due
        assert chosen >= 0, f"no dataset is eligible at turn {turn} of {list(weights)}"
        served[chosen] += 1
        turns[turn - 1] = chosen
    return turns
