"""Masked-language modelling with the video in view (MLM; ALPRO section 3.2, docs/facts/mcg_alpro.md 2.2).

The task masks word pieces (15 %; of these 80 % [MASK], 10 % another piece, 10 % kept) and labels them; the loss is the
cross-entropy of the labels, from the fusion of the masked text with the video.
"""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

from mcg import distributed
from mcg.model.states import Fused
from mcg.objectives.config import MaskedLMConfig
from mcg.objectives.objective import Objective
from mcg.objectives.states import States
from mcg.text.texts import NO_LABEL


class MaskedLM(Objective):
    """Scalar, whose mean over the ranks is the mean over the masked places of the global batch, whatever the number of
    ranks. The task masks at least one piece of every text. Captions see from left to right (`causal`)."""

    config: MaskedLMConfig

    def forward(self, states: States) -> Tensor:
        labels_BL = states["masked_labels"]
        places_BL = (labels_BL != NO_LABEL) & states["masked_mask"].bool()  # padded labels are zeros, not NO_LABEL
        logits_NK = states.model.token_logits(self._fused(states).text_BLD[places_BL]).float()
        num_places = distributed.mean_over_ranks(places_BL.sum().float())
        # no place at all: a batch of questions none of which has an answer that can be learned
        return functional.cross_entropy(logits_NK, labels_BL[places_BL], reduction="sum") / num_places.clamp(min=1e-6)

    def _fused(self, states: States) -> Fused:
        """The masked text fused with the video, once per batch."""
        causal = self.config.causal
        name = "causally_fused" if causal else "masked_fused"
        return states.once(name, lambda: states.model.fuse(states.masked_text, states.video, causal))
