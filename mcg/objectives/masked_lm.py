"""Masked-language modelling with the video in view (MLM; ALPRO section 3.2, docs/facts/mcg_alpro.md 2.2).

The task masks word pieces (15 %; of these 80 % [MASK], 10 % another piece, 10 % kept) and labels them; the loss is the
cross-entropy of the labels, from the fusion of the masked text with the video.
"""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

from mcg import distributed
from mcg.model.model import Model
from mcg.model.states import Fused
from mcg.objectives.config import MaskedLMConfig
from mcg.objectives.objective import Objective
from mcg.objectives.states import States
from mcg.text.texts import NO_LABEL


def token_loss(model: Model, fused: Fused, labels_BL: Tensor, mask_BL: Tensor) -> Tensor:
    """Cross-entropy of the tokens that labels ask for at their places, a scalar whose mean over the ranks is the mean
    over all places of the global batch. mask_BL: True at real tokens, as padded labels are zeros and not NO_LABEL."""
    places_BL = (labels_BL != NO_LABEL) & mask_BL
    logits_NK = model.token_logits(fused.text_BLD[places_BL]).float()
    num_places = distributed.mean_over_ranks(places_BL.sum().float())
    # no place at all: a batch of questions none of which has an answer that can be learned
    return functional.cross_entropy(logits_NK, labels_BL[places_BL], reduction="sum") / num_places.clamp(min=1e-6)


class MaskedLM(Objective):
    """Scalar, whose mean over the ranks is the mean over the masked places of the global batch, whatever the number of
    ranks. The task masks at least one piece of every text. Captions see from left to right (`causal`)."""

    config: MaskedLMConfig

    def forward(self, states: States) -> Tensor:
        return token_loss(states.model, self._fused(states), states["masked_labels"], states["masked_mask"].bool())

    def _fused(self, states: States) -> Fused:
        """The masked text fused with the video, once per batch."""
        causal = self.config.causal
        name = "causally_fused" if causal else "masked_fused"
        return states.once(name, lambda: states.model.fuse(states.masked_text, states.video, causal))
