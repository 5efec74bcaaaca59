"""Samples of a contrastive batch by their numbers: features and inputs, of several micro-batches and ranks."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from tests.mcg.objectives.numbered_samples import ASKED, MICRO_BATCHES, SIZE, find_numbered


def _check(found: dict[str, Tensor], rank: int, world: int) -> None:
    whole, asked = torch.arange(world * MICRO_BATCHES * SIZE), found["asked"]
    assert torch.equal(found["own"], whole.view(MICRO_BATCHES, world, SIZE)[:, rank])
    assert torch.equal(found["video_BE"], whole[:, None].float()) and torch.equal(found["text_BE"], -found["video_BE"])
    assert found["temperature"] == 0.5 and not any(tensor.requires_grad for tensor in found.values())
    assert torch.equal(found["frames"], asked[:, None, None].expand(5, 2, 3).byte())
    for number, text in zip(asked.tolist(), found["text_ids"], strict=True):
        own, longest = 1 + number // (SIZE * world) + number // SIZE % world, MICRO_BATCHES + world - 1
        assert text.tolist() == [number] * own + [0] * (longest - own)


def test_samples_of_all_micro_batches_are_found_by_number() -> None:
    found = find_numbered()
    assert torch.equal(found["asked"], ASKED)
    _check(found, 0, 1)


@pytest.mark.parametrize("rank", [0, 1])
def test_samples_of_another_rank_are_found_by_number(two_ranks: Path, rank: int) -> None:
    saved = load_file(two_ranks / f"{rank}.safetensors")
    found = {name.removeprefix("numbered "): saved[name] for name in saved if name.startswith("numbered ")}
    assert torch.equal(found["asked"], ASKED.flip(0) if rank else ASKED)
    _check(found, rank, 2)
