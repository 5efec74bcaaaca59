"""Sums over ranks: pair losses on real ranks are those of one process in the direct form, by gather and by ring."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from mcg.objectives.over_pairs.exchange import sum_over_ranks
from tests.mcg.objectives.pair_losses import LOSSES, features, on_ranks, run

NUM_PAIRS = 1_000


@pytest.mark.parametrize("world", [2, pytest.param(4, marks=pytest.mark.long)])
def test_ranks_have_the_losses_and_gradients_of_the_direct_form(tmp_path: Path, world: int) -> None:
    found = on_ranks(tmp_path, world, NUM_PAIRS)
    assert len(found) == 4 * len(LOSSES)  # gather and ring, float64 and float32
    for name, (_, direct) in LOSSES.items():
        wanted = run(direct, features(NUM_PAIRS))
        for exchange in ("gather", "ring"):
            for dtype, bound in ((torch.float64, 1e-10), (torch.float32, 1e-5)):
                for a, b in zip(found[f"{name} {exchange} {dtype}"], wanted, strict=True):
                    assert (a - b).norm() <= bound * b.norm(), (name, exchange, dtype)


@pytest.mark.parametrize("exchange", ["gather", "ring"])
def test_a_rank_that_is_alone_visits_itself(exchange: str) -> None:
    visited = []

    def visit(owner: int, keys: object, sums: torch.Tensor) -> None:
        visited.append(owner)
        sums += 2.0

    assert sum_over_ranks(exchange, [], torch.zeros(3), visit).tolist() == [2.0] * 3  # type: ignore[arg-type]
    assert visited == [0]
