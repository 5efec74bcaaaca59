"""The base of objectives: one loss as a module, which may own a head that is trained and a teacher that is not.

`Bundle` registers every objective, so its parts are put on the device, its parameters are in the optimiser's groups
(frozen ones in none) and in the training state of a checkpoint. An objective without parameters leaves both unchanged.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn

from mcg.compat import Compat
from mcg.model.config import ModelConfig
from mcg.objectives.config import ObjectiveConfig
from mcg.objectives.over_pairs.cached_loss import PairFeatures
from mcg.objectives.states import States
from shards.media import ClipConfig


class Start(NamedTuple):
    """What is known when a run begins."""

    run_dir: Path
    model: ModelConfig
    clip: ClipConfig
    device: torch.device


class Objective(nn.Module):
    """Base class of the objectives. compat: bugs of the release, corrected or as released."""

    def __init__(self, config: ObjectiveConfig, compat: Compat = "corrected") -> None:
        super().__init__()
        self.config = config
        self.compat = compat

    def prepare(self, start: Start) -> None:
        """Called once before the first step, on all ranks together; reads what the objective needs from files."""
        return

    def forward(self, states: States) -> Tensor:
        """The loss of a batch, a scalar."""
        raise NotImplementedError(f"{type(self).__name__} must compute its loss")

    def train(self, mode: bool = True) -> Objective:
        """Set the mode; a part whose parameters are all frozen, as a teacher's are, stays in evaluation mode."""
        super().train(mode)
        for part in self.children():
            parameters = list(part.parameters())
            if parameters and not any(parameter.requires_grad for parameter in parameters):
                part.eval()
        return self


class PairObjective(Objective):
    """Base class of losses over all pairs of a batch, or of several that are encoded one after the other
    (engine.contrastive_batch). It reads of a batch nothing but its features, the temperature, and which elements show
    one video."""

    def loss(self, features: PairFeatures, keys_B: Tensor | None = None) -> Tensor:
        """The loss of all pairs, a scalar, mean over the samples of this rank. keys_B: equal where elements show one
        video, whose pairs are left out; None where there are none."""
        raise NotImplementedError(f"{type(self).__name__} must compute its loss")

    def forward(self, states: States) -> Tensor:
        if states.micro_batch is not None:
            return states.micro_batch.losses[self].carried_by(states.pair_features, self)
        return self.loss(states.pair_features, None if self.compat == "released" else states.video_keys)
