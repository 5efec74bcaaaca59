"""Ranks talking to each other: two real ones, and one that is alone."""

from __future__ import annotations

import json
from pathlib import Path

import torch

from mcg import distributed


def test_two_ranks_share_what_they_have(two_ranks: Path) -> None:
    for rank in (0, 1):
        assert json.loads((two_ranks / f"{rank}.json").read_text()) == {
            "rank": rank,
            "world_size": 2,
            "objects": ["of 0", "of 1", "of 1"],
            "mean": [1.5, 10.0],
            "largest": 3,
            "any_none": False,
            "any_one": True,
            "swapped": [[[0], [1], [11], [21]], [[10], [20]]][rank],
            "gathered": [[0.0, 10.0], [1.0, 11.0]],
            "from_host": [[0.0, 1.0], [2.0, 3.0], [4.0, 5.0], [6.0, 7.0], [10.0, 11.0], [12.0, 13.0]],
        }


def test_one_process_needs_no_group() -> None:
    x = torch.randn(2, 3, requires_grad=True)
    assert (distributed.rank(), distributed.world_size()) == (0, 1)
    distributed.barrier()
    assert distributed.gather_with_gradient(x) is x
    assert distributed.swap(x, [2], [2]) is x
    assert distributed.gather_from_host(x, x.device) is x
    assert distributed.gather_objects([1, 2]) == [1, 2]
    assert distributed.mean_over_ranks(x) is x
    assert distributed.largest(3, x.device) == 3
    assert distributed.any_rank(True, x.device) and not distributed.any_rank(False, x.device)
