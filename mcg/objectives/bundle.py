"""Model and objectives as the one module that the engine trains.

Its forward gives the named losses and their weighted sum; model and objectives stay apart everywhere else.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from mcg.model.model import Model
from mcg.objectives.objective import Objective, PairObjective, Start
from mcg.objectives.over_pairs.cached_loss import CachedLoss, PairFeatures, cached, joined
from mcg.objectives.over_pairs.contrastive_batch import ContrastiveBatch, MicroBatch
from mcg.objectives.over_pairs.same_video import VIDEO_KEY
from mcg.objectives.states import States


@dataclass
class _Use:
    """The objectives of one use by name."""

    objectives: dict[str, Objective]
    with_attention: bool

    def take(self, name: str, objective: Objective) -> None:
        self.objectives[name] = objective
        self.with_attention |= "attention" in objective.config.needs


class Bundle(nn.Module):
    """A model with the objectives that it is trained on; in a run of several uses (mcg/uses.py) those of all of them,
    each named USE:NAME. Raises ValueError where there is none."""

    def __init__(self, model: Model, objectives: Mapping[str, Objective]) -> None:
        if not objectives:
            raise ValueError("objectives: none has a weight above 0, so there is nothing to train on")
        super().__init__()
        self.model = model
        self.objectives = nn.ModuleDict(objectives)
        self._uses: dict[str, _Use] = {}
        for path, objective in objectives.items():
            use, _, name = path.rpartition(":")
            self._uses.setdefault(use, _Use({}, False)).take(name, objective)

    def forward(
        self,
        inputs: Mapping[str, Tensor],
        seed: int,
        use: str | None = None,
        only_features: bool = False,
        known: MicroBatch | None = None,
    ) -> dict[str, Tensor]:
        """Each loss by name, what objectives tell beside it, and the weighted sum as "total"; scalars. inputs: frames
        (B, T, H, W, 3) uint8 and the task's arrays. seed: of what objectives draw, the same on all ranks. use: which of
        the run's uses the batch is for; None is the only one. only_features: what `over_pairs` takes of a batch, in
        place of losses. known: what it gave for this one."""
        chosen = self._of(use)
        states = States(self.model, inputs, chosen.with_attention, seed)
        if only_features:
            return states.pair_features._asdict()
        if known is not None:
            states.micro_batch = known
            _ = states.pair_features  # before any other pass, as when they were computed alone
        losses = {name: objective(states) for name, objective in chosen.objectives.items()}
        weighted = [chosen.objectives[name].config.weight * loss for name, loss in losses.items()]
        return {**losses, **states.told, "total": torch.stack(weighted).sum()}

    def _of(self, use: str | None) -> _Use:
        if use is None and len(self._uses) == 1:
            return next(iter(self._uses.values()))
        if use not in self._uses:
            raise ValueError(f"this run has no use {use!r}; it has {', '.join(map(repr, self._uses))}")
        return self._uses[use]

    def prepare(self, start: Start, use: str | None = None) -> None:
        """Called once for each use before the first step, on all ranks together."""
        for objective in self._of(use).objectives.values():
            objective.prepare(start)

    def over_pairs(
        self,
        batches: Sequence[Mapping[str, Tensor]],
        inputs: Sequence[Mapping[str, Any]],
        seed: int,
        use: str | None = None,
    ) -> list[MicroBatch]:
        """Each of several batches as part of the contrastive batch that they make with those of all ranks, whose losses
        over pairs are known. batches: the features of each, without graph; inputs: what these are of, tensors or numpy
        arrays; seed: of what objectives draw over all, the same on all ranks."""
        features = [PairFeatures(**batch) for batch in batches]
        keys = [torch.as_tensor(one[VIDEO_KEY])[:, :1] for one in inputs if VIDEO_KEY in one]
        whole_keys = {VIDEO_KEY: torch.cat(keys).to(features[0].video_BE.device)} if keys else {}
        states = States(self.model, whole_keys, with_attention=False)
        states.pair_features = joined(features)
        sizes, parts = [len(one.video_BE) for one in features], [dict[nn.Module, CachedLoss]() for _ in features]
        for objective in self._of(use).objectives.values():
            if isinstance(objective, PairObjective):
                found = cached(objective(states), states.pair_features, objective, sizes)
                for part, known in zip(parts, found, strict=True):
                    part[objective] = known
        whole = ContrastiveBatch(features, inputs, seed)
        return [MicroBatch(whole, place, part) for place, part in enumerate(parts)]
