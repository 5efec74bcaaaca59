"""Model and objectives as the one module that the engine trains.

Its forward gives the named losses and their weighted sum; model and objectives stay apart everywhere else.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from mcg.model.mcg import MCG
from mcg.objectives.states import States


class Bundle(nn.Module):
    """model: any model with MCG's verbs. objectives: name -> objective, at least one."""

    def __init__(self, model: MCG, objectives: dict[str, Any]) -> None:
        if not objectives:
            raise ValueError("objectives: none has a weight above 0, so there is nothing to train on")
        super().__init__()
        self.model = model
        self._objectives = objectives

    def forward(self, inputs: Mapping[str, Tensor], seed: int) -> dict[str, Tensor]:
        """inputs: frames (B, T, H, W, 3) uint8 and the task's arrays. seed: of what objectives draw, the same on all
        ranks. Returns each loss by name, and their weighted sum as "total"; scalars."""
        with_attention = any(objective.needs_attention for objective in self._objectives.values())
        states = States(self.model, inputs, with_attention, seed)
        losses = {name: objective(states) for name, objective in self._objectives.items()}
        weighted = [self._objectives[name].config.weight * loss for name, loss in losses.items()]
        return {**losses, "total": torch.stack(weighted).sum()}
