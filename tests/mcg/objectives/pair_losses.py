"""Losses over all pairs in their direct form, and on real ranks that each hold a part of the batch, in small tiles."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import torch
import torch.distributed as dist
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.nn import functional

from mcg.objectives.over_pairs import tiles
from mcg.objectives.over_pairs.contrastive import contrastive_loss
from mcg.objectives.over_pairs.exchange import Exchange
from mcg.objectives.over_pairs.sigmoid import sigmoid_loss
from tests.forked import run_ranks

PairLoss = Callable[[Tensor, Tensor, Tensor, Exchange], Tensor]
"""(videos, texts, numbers (2,) that the loss learns, exchange) -> loss."""


def _contrast(video: Tensor, text: Tensor, numbers: Tensor, exchange: Exchange) -> Tensor:
    return contrastive_loss(video, text, numbers[0], exchange)


def _direct_contrast(video: Tensor, text: Tensor, numbers: Tensor, exchange: Exchange) -> Tensor:
    logits, truth = video @ text.T / numbers[0], torch.arange(len(video))
    return (functional.cross_entropy(logits, truth) + functional.cross_entropy(logits.T, truth)) / 2


def _sigmoid(video: Tensor, text: Tensor, numbers: Tensor, exchange: Exchange) -> Tensor:
    return sigmoid_loss(video, text, 1 / numbers[0], numbers[1], exchange)


def _direct_sigmoid(video: Tensor, text: Tensor, numbers: Tensor, exchange: Exchange) -> Tensor:
    fits = 2 * torch.eye(len(video), dtype=video.dtype) - 1
    return -functional.logsigmoid(fits * (video @ text.T / numbers[0] + numbers[1])).sum() / len(video)


LOSSES: dict[str, tuple[PairLoss, PairLoss]] = {
    "contrastive": (_contrast, _direct_contrast),
    "sigmoid": (_sigmoid, _direct_sigmoid),
}
"""Of each loss the form that runs in tiles, and the one that is written as in the paper."""


def features(num_pairs: int, width: int = 32) -> list[Tensor]:
    """Unit videos and texts of which those of a pair are alike, and numbers to learn, in float64."""
    g = torch.Generator().manual_seed(1)
    video, noise = torch.randn(2, num_pairs, width, generator=g, dtype=torch.float64)
    numbers = torch.tensor([0.07, -2.0], dtype=torch.float64)
    return [functional.normalize(video, dim=1), functional.normalize(video + noise, dim=1), numbers]


def run(loss: PairLoss, given: list[Tensor], exchange: Exchange = "gather") -> list[Tensor]:
    """The loss, and the gradients of videos, texts and numbers."""
    leaves = [tensor.detach().clone().requires_grad_() for tensor in given]
    found = loss(*leaves, exchange)
    found.backward()
    return [found.detach(), *(leaf.grad if leaf.grad is not None else torch.zeros_like(leaf) for leaf in leaves)]


def on_ranks(folder: Path, world: int, num_pairs: int) -> dict[str, list[Tensor]]:
    """What `world` ranks find together: LOSS EXCHANGE DTYPE -> mean loss, gradients of it."""
    run_ranks(_on_rank, (str(folder), world, num_pairs), world)
    parts = [load_file(folder / f"{rank}.safetensors") for rank in range(world)]
    found: dict[str, list[Tensor]] = {}
    for name in {key.rpartition(" ")[0] for key in parts[0]}:
        loss, video, text, numbers = ([part[f"{name} {i}"] for part in parts] for i in range(4))
        mean = [torch.stack(loss).mean(), torch.cat(video) / world, torch.cat(text) / world]
        found[name] = [*mean, torch.stack(numbers).mean(0)]
    return found


def _on_rank(rank: int, folder: str, world: int, num_pairs: int) -> None:
    meeting = f"file://{folder}/meeting"
    dist.init_process_group("gloo", init_method=meeting, rank=rank, world_size=world, timeout=timedelta(seconds=100))
    tiles.SIDE = 100  # several a rank, the last ones smaller
    video, text, numbers = features(num_pairs)
    own = slice(rank * num_pairs // world, (rank + 1) * num_pairs // world)
    exchanges: tuple[Exchange, ...] = ("gather", "ring")
    found = {}
    try:
        for name, (loss, _) in LOSSES.items():
            for exchange in exchanges:
                for dtype in (torch.float64, torch.float32):
                    given = [tensor.to(dtype) for tensor in (video[own], text[own], numbers)]
                    for i, tensor in enumerate(run(loss, given, exchange)):
                        found[f"{name} {exchange} {dtype} {i}"] = tensor
        save_file(found, f"{folder}/{rank}.safetensors")
    finally:
        dist.destroy_process_group()
