"""How much memory and time does a loss over all pairs take, in tiles beside the direct form?

    PYTHONPATH=. python benchmarks/contrast_memory.py [--loss contrastive] [--sizes 64 512 4096 65536] [--rounds 3]

One rank, D 256, fp32, one thread, forward and backward to the gradients of videos, texts and temperature. `above_mb` is
the peak of resident memory of a fresh process above that which holds the features, gradients included; `of_features` is
that as a multiple of the two feature matrices; `ms` is one pass, the best of several where it is short. The direct form
holds the matrix of all pairs several times over and is asked up to 8,192 pairs. First both are compared at 4,096: the
largest relative difference of loss and gradients to float64.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path

import torch
from harness import compare
from torch import Tensor
from torch.nn import functional

from mcg.objectives.over_pairs.contrastive import contrastive_loss
from mcg.objectives.over_pairs.sigmoid import sigmoid_loss

WIDTH = 256
DIRECT_UP_TO = 8_192
Loss = Callable[[Tensor, Tensor, Tensor], Tensor]


def direct_contrastive(video: Tensor, text: Tensor, temperature: Tensor) -> Tensor:
    """Both cross-entropies over the whole matrix, as the code had it before."""
    truth = torch.arange(len(video))
    return (
        functional.cross_entropy(video @ text.T / temperature, truth)
        + functional.cross_entropy(text @ video.T / temperature, truth)
    ) / 2


def tiled_sigmoid(video: Tensor, text: Tensor, temperature: Tensor) -> Tensor:
    """With a bias of -10."""
    return sigmoid_loss(video, text, 1 / temperature, torch.tensor(-10.0))


def direct_sigmoid(video: Tensor, text: Tensor, temperature: Tensor) -> Tensor:
    """As in the paper's listing."""
    fits = 2 * torch.eye(len(video), dtype=video.dtype) - 1
    return -functional.logsigmoid(fits * (video @ text.T / temperature - 10)).sum() / len(video)


LOSSES: dict[str, dict[str, Loss]] = {
    "contrastive": {"tiled": contrastive_loss, "direct": direct_contrastive},
    "sigmoid": {"tiled": tiled_sigmoid, "direct": direct_sigmoid},
}


def inputs(num_pairs: int) -> list[Tensor]:
    """Unit videos and texts of which those of a pair are alike, and a temperature; made in pieces, to hold no more."""
    g = torch.Generator().manual_seed(0)
    video, text = torch.empty(num_pairs, WIDTH), torch.empty(num_pairs, WIDTH)
    for rows in torch.arange(num_pairs).split(1_024):
        made = torch.randn(len(rows), WIDTH, generator=g)
        video[rows] = functional.normalize(made, dim=1)
        text[rows] = functional.normalize(made + torch.randn(len(rows), WIDTH, generator=g), dim=1)
    return [video.requires_grad_(), text.requires_grad_(), torch.tensor(0.07).requires_grad_()]


def measure(loss: Loss, num_pairs: int) -> dict[str, float]:
    """In this process, which has computed no loss before."""
    given = inputs(num_pairs)
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
    before, took = _memory("VmRSS"), []
    for _ in range(200 if num_pairs < 1_000 else 5 if num_pairs < 10_000 else 1):
        for tensor in given:
            tensor.grad = None
        started = time.perf_counter()
        loss(*given).backward()
        took.append(time.perf_counter() - started)
    above = _memory("VmHWM") - before
    both = 2 * num_pairs * WIDTH * 4
    return {"above_mb": above / 1e6, "of_features": above / both, "ms": 1e3 * min(took)}


def _memory(name: str) -> int:
    """Bytes of this process, by the kernel."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(1024 * int(line.split()[1]) for line in lines if line.startswith(name))


def check(forms: dict[str, Loss], num_pairs: int = 4_096) -> None:
    """Print how far each form is from the direct one in float64."""
    wanted = _results(forms["direct"], num_pairs, torch.float64)
    for form, dtype in (("tiled", torch.float64), ("tiled", torch.float32), ("direct", torch.float32)):
        found = _results(forms[form], num_pairs, dtype)
        off = max(((a - b).norm() / b.norm()).item() for a, b in zip(found, wanted, strict=True))
        print(f"{form}, {dtype}, {num_pairs} pairs: relative difference {off:.1e}")


def _results(loss: Loss, num_pairs: int, dtype: torch.dtype) -> list[Tensor]:
    given = [tensor.detach().to(dtype).requires_grad_() for tensor in inputs(num_pairs)]
    found = loss(*given)
    found.backward()
    return [found.detach(), *(tensor.grad for tensor in given if tensor.grad is not None)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--loss", choices=LOSSES, default="contrastive")
    parser.add_argument("--sizes", type=int, nargs="+", default=[64, 512, 4_096, 65_536])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--case", nargs=3, metavar=("LOSS", "FORM", "SIZE"), help="one measurement, as JSON")
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    if chosen.case:
        name, form, size = chosen.case
        print(json.dumps(measure(LOSSES[name][form], int(size))))
        return
    check(LOSSES[chosen.loss])
    cases = {
        f"{form}, {size}": [chosen.loss, form, str(size)]
        for size in chosen.sizes
        for form in ("tiled", "direct")
        if form == "tiled" or size <= DIRECT_UP_TO
    }
    compare(f"{chosen.loss} over all pairs", __file__, cases, chosen.rounds)


if __name__ == "__main__":
    main()
