"""Compiling of a model block by block (torch.compile): its repeated layers, which are most of its work.

Blocks of one class share what is compiled for one of them, so this takes the time of a few blocks however many there
are. A block of texts is compiled once for all lengths and batch sizes, a block of clips anew for a second size and then
for all. What surrounds the blocks, losses above all, stays as it is, and so do the names of the weights.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext

import torch
from torch import nn

_VARIANTS = 64
"""Forms of one class that may be compiled: training or not, each rate of drop path, fp32 or bf16. torch gives up at 8
and goes on uncompiled, with a line of warning."""


def compile_blocks(blocks: Iterable[nn.Module], lengths_vary: bool) -> None:
    """Compile blocks when they are first called. lengths_vary: their inputs are texts, of many lengths."""
    torch._dynamo.config.recompile_limit = max(torch._dynamo.config.recompile_limit, _VARIANTS)
    for block in blocks:
        block.compile(dynamic=True if lengths_vary else None)


def uncompiled() -> AbstractContextManager[object]:
    """A block in which nothing is compiled, and what is compiled runs as it was written."""
    # torch's compiler takes a second to load, and where nobody has loaded it nothing is compiled
    return torch.compiler.set_stance("force_eager") if "torch._dynamo" in sys.modules else nullcontext()
