"""Writes FOLDER/ViT.pt, a scripted program, and FOLDER/traced.pt: `python -m tests.mcg.convert.script_programs FOLDER`.

In a process of its own: where DeepSpeed has made an engine for ZeRO 3, linear layers are Python functions that torch
can neither script nor trace.
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from torch import Tensor, nn


class Block(nn.Module):
    """With weights, a buffer, and attributes that are none."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(3, 2)
        self.scale = nn.Parameter(torch.randn(4))
        self.register_buffer("size", torch.tensor(7))
        self.number, self.name, self.sizes = 5, "a", [1, 2]

    def forward(self, x: Tensor) -> Tensor:
        """(N, 3) to (N, 2)."""
        return self.linear(x) * self.scale.sum()


class Whole(nn.Module):
    """With blocks, weights in half precision, and one that is a view."""

    def __init__(self) -> None:
        super().__init__()
        self.blocks = nn.Sequential(Block(), Block())
        self.linear = nn.Linear(3, 2).half()
        self.turned = nn.Parameter(torch.randn(3, 2).T)

    def forward(self, x: Tensor) -> Tensor:
        """(N, 3) to (N, 2)."""
        return self.blocks[0](x)


if __name__ == "__main__":
    torch.manual_seed(0)
    folder = Path(sys.argv[1])
    torch.jit.script(Whole()).save(str(folder / "ViT.pt"))
    torch.jit.trace(Block(), torch.ones(1, 3)).save(str(folder / "traced.pt"))
