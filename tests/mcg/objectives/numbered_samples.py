"""A contrastive batch whose samples have their numbers as features and inputs, and what is asked of it."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from mcg import distributed
from mcg.objectives.over_pairs.cached_loss import PairFeatures
from mcg.objectives.over_pairs.contrastive_batch import ContrastiveBatch

MICRO_BATCHES, SIZE = 3, 2
ASKED = torch.tensor([5, 0, 5, 3, 4])


def find_numbered() -> dict[str, Tensor]:
    """This rank's own numbers (M, B), the features of all, and the inputs of those asked for; rank 1 asks for the same
    in reverse."""
    batch = ContrastiveBatch(*zip(*(_micro_batch(place) for place in range(MICRO_BATCHES)), strict=True), seed=0)
    asked = ASKED.flip(0) if distributed.rank() else ASKED
    found = batch.features._asdict() | {name: batch.rows(name, asked) for name in ("frames", "text_ids")}
    return {"asked": asked, "own": torch.stack([batch.numbers(i) for i in range(MICRO_BATCHES)]), **found}


def _micro_batch(place: int) -> tuple[PairFeatures, dict[str, Any]]:
    """Texts are padded to a length of the micro-batch's own, and to a further one on other ranks."""
    rank = distributed.rank()
    first = SIZE * (place * distributed.world_size() + rank)
    number = torch.arange(first, first + SIZE)[:, None]
    features = PairFeatures(number.bfloat16(), -number.bfloat16(), torch.tensor(0.5, requires_grad=True))
    frames = number[:, None].repeat(1, 2, 3).byte().numpy()
    return features, {"frames": frames, "text_ids": number.repeat(1, 1 + place + rank)}
