"""Masked-language modelling with the video in view (MLM; ALPRO section 3.2, docs/facts/mcg_alpro.md 2.2).

The task masks word pieces (15 %; of these 80 % [MASK], 10 % another piece, 10 % kept); the loss is the cross-entropy of
the true pieces at the masked places, from the fusion of the masked text with the video.
"""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

from mcg import distributed
from mcg.objectives.config import MaskedLMConfig
from mcg.objectives.states import States


class MaskedLM:
    """Scalar, whose mean over the ranks is the mean over the masked places of the global batch, whatever the number of
    ranks. The task masks at least one piece of every text."""

    needs_attention = False

    def __init__(self, config: MaskedLMConfig) -> None:
        self.config = config

    def __call__(self, states: States) -> Tensor:
        places_BL = (states["masked_ids"] != states["text_ids"]) | states["masked_kept"].bool()
        L = places_BL.shape[1]
        states_ND = states.masked_fused.states_BLD[:, :L][places_BL]
        logits_NK = states.model.token_logits(states_ND).float()
        num_places = distributed.mean_over_ranks(places_BL.sum().float())
        return functional.cross_entropy(logits_NK, states["text_ids"][places_BL], reduction="sum") / num_places
