"""All pairs on any number of ranks, and the candidates that re-ranking fuses."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch.multiprocessing
from hypothesis import given
from hypothesis import strategies as st

from mcg.scoring.pairs import among_best, ranking_scores
from tests.mcg.small_retrieval import score_each, score_on_a_rank, write_captions


@pytest.mark.long
@pytest.mark.timeout(600)
@pytest.mark.parametrize("world", [2, 3])
def test_ranks_score_every_pair_once_as_one_process_does(tmp_path: Path, world: int) -> None:
    expected = score_each(write_captions(tmp_path / "gray"))
    torch.multiprocessing.spawn(score_on_a_rank, args=(world, str(tmp_path)), nprocs=world)
    for rank in range(world):
        found = json.loads((tmp_path / f"{rank}.json").read_text())
        for ranking, one in expected.items():
            other = found[ranking]
            assert other["metrics"]["pairs_fused"] == one["metrics"]["pairs_fused"]
            places = {(p["direction"], p["id"]): p["places"] for p in one["predictions"]}
            assert {(p["direction"], p["id"]): p["places"] for p in other["predictions"]} == places
            for name in ("R1", "R5", "R10", "mean_place"):
                assert other["metrics"]["text_to_video"][name] == one["metrics"]["text_to_video"][name]


@given(st.integers(1, 8), st.integers(0, 2**32 - 1))
def test_the_best_by_contrast_stand_before_the_others_in_the_order_of_matching(depth: int, seed: int) -> None:
    generator = np.random.default_rng(seed)
    contrast, match = generator.normal(size=(2, 4, 6)).astype(np.float32)
    best = among_best(contrast, depth)
    assert (best.sum(1) == min(depth, 6)).all()
    scores = ranking_scores(contrast, np.where(best, match, np.nan), depth)
    for query in range(4):
        order = np.argsort(-scores[query])
        first = sorted(np.flatnonzero(best[query]), key=lambda c: -match[query, c])
        rest = sorted(np.flatnonzero(~best[query]), key=lambda c: -contrast[query, c])
        assert order.tolist() == [*first, *rest]
