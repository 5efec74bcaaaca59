"""Video-text contrastive loss over the global batch (VTC; ALPRO section 3.2, MCG's instance loss).

    L = 1/2 [ CE(v_i . t_j / tau, i) + CE(t_i . v_j / tau, i) ],  j over the samples of all ranks

Gradients are exact at any world size: gathered features carry gradient, and positives are found by global rank (the
releases use the local one, docs/facts/mcg_alpro.md 0.10).
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from mcg import distributed
from mcg.objectives.objective import Objective
from mcg.objectives.states import States


class Contrastive(Objective):
    """Scalar, mean over the samples of this rank."""

    def forward(self, states: States) -> Tensor:
        return contrastive_loss(states.video_features, states.text_features, states.model.temperature)


def contrastive_loss(video_BE: Tensor, text_BE: Tensor, temperature: Tensor) -> Tensor:
    """video_BE, text_BE: unit vectors of this rank; temperature: divisor. Every rank must hold the same number."""
    video_BE, text_BE = video_BE.float(), text_BE.float()  # a logit of 1 / 0.07 has two digits in bf16
    video_GE = distributed.gather_with_gradient(video_BE)
    text_GE = distributed.gather_with_gradient(text_BE)
    B = len(video_BE)
    positives_B = torch.arange(B, device=video_BE.device) + B * distributed.rank()
    video_to_text = functional.cross_entropy(video_BE @ text_GE.T / temperature, positives_B)
    text_to_video = functional.cross_entropy(text_BE @ video_GE.T / temperature, positives_B)
    return (video_to_text + text_to_video) / 2
