"""Texts of all ranks: padded to the longest, with their slots and prefixes, and gradients that come back."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import load_file


def test_two_ranks_have_the_texts_of_one_process(two_ranks: Path) -> None:
    one, *ranks = (load_file(two_ranks / f"{name}.safetensors") for name in ("one", 0, 1))
    for name in ("states", "mask", "slot", "prefix"):
        for rank in ranks:
            assert torch.equal(rank[f"gathered {name}"], one[f"gathered {name}"]), name
    first, second = (rank["gathered gradient"] for rank in ranks)
    whole = one["gathered gradient"]
    assert second.shape[1] == 2  # as many as the rank has itself
    torch.testing.assert_close(first, 2 * whole[:4])  # both ranks' losses are of it
    torch.testing.assert_close(second, 2 * whole[4:, :2])
