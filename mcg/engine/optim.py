"""Optimiser groups: AdamW with weight decay on matrices only.

The patterns must cover every parameter exactly once; biases, norms, embeddings of position and the temperature are not
decayed. (The releases configure a weight decay of 1e-3 and never pass it on: facts/mcg_alpro.md 0.6.)
"""

from __future__ import annotations

from typing import Any

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import nn

_NOT_DECAYED = ("pos_embed", "time_embed", "cls_token", "position_embeddings.weight", "token_type_embeddings.weight")
"""Ends of the names of parameters that have two axes or more and are no matrices."""


class OptimConfig(BaseModel):
    """AdamW."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    lr: float = Field(default=1e-4, gt=0)
    """Peak learning rate."""
    betas: tuple[float, float] = (0.9, 0.98)
    """Decay of the first and second moment."""
    eps: float = Field(default=1e-6, gt=0)
    """Added to the root of the second moment."""
    weight_decay: float = Field(default=1e-3, ge=0)
    """Decoupled weight decay of matrices."""


def parameter_groups(module: nn.Module, config: OptimConfig) -> list[dict[str, Any]]:
    """Two groups, decayed and not; frozen parameters are in neither."""
    trained = [(name, p) for name, p in module.named_parameters() if p.requires_grad]
    decayed = [p for name, p in trained if p.ndim >= 2 and not name.endswith(_NOT_DECAYED)]
    chosen = {id(p) for p in decayed}
    rest = [p for _, p in trained if id(p) not in chosen]
    groups = [{"params": decayed, "weight_decay": config.weight_decay}, {"params": rest, "weight_decay": 0.0}]
    return [group for group in groups if group["params"]]


def build_optimizer(module: nn.Module, config: OptimConfig) -> torch.optim.AdamW:
    """AdamW over parameter_groups."""
    return torch.optim.AdamW(
        parameter_groups(module, config), lr=config.lr, betas=config.betas, eps=config.eps, fused=True
    )
