"""Matching of each video with the choices of its question, of which one fits (docs/facts/lavender.md 2).

The cross-entropy of what the model says of every pair, over all that it may say (Model.match_words), mean over pairs;
or with `loss: softmax` that of the right choice among all of the question, by their scores.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from mcg.objectives.config import ChoiceMatchingConfig
from mcg.objectives.objective import Objective
from mcg.objectives.states import States


class ChoiceMatching(Objective):
    """Scalar. The task gives choice_ids and choice_mask (B, N, L), and choice_right, the number of the right one."""

    config: ChoiceMatchingConfig

    def forward(self, states: States) -> Tensor:
        ids_BNL, mask_BNL = states["choice_ids"], states["choice_mask"].bool()
        B, N, _ = ids_BNL.shape
        video_P = torch.arange(B, device=ids_BNL.device).repeat_interleave(N)
        text = states.model.encode_text(ids_BNL.flatten(0, 1), mask_BNL.flatten(0, 1))
        logits_PK, no, yes = states.model.match_words(states.model.fuse(text, states.video.rows(video_P)))
        right_B1 = states["choice_right"][:, :1]  # behind it the loader may have padded
        if self.config.loss == "softmax":
            score_BN = (logits_PK[:, yes] - logits_PK[:, no]).float().unflatten(0, (B, N))
            return functional.cross_entropy(score_BN, right_B1[:, 0])
        fits_P = (torch.arange(N, device=right_B1.device) == right_B1).flatten()
        return functional.cross_entropy(logits_PK.float(), torch.where(fits_P, yes, no))
