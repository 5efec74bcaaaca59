"""Prefix language modelling (T2VLP; docs/facts/t2vlp.md 2): a text is continued word by word, with the video in view.

Every token sees the video, itself and those before it, and tells the next one; those of a prefix, which the task draws,
are not asked for. From the first token on it is the loss of captions.
"""

from __future__ import annotations

from torch import Tensor

from mcg.objectives.config import PrefixLMConfig
from mcg.objectives.masked_lm import token_loss
from mcg.objectives.objective import Objective
from mcg.objectives.states import States


class PrefixLM(Objective):
    """Scalar, whose mean over the ranks is the mean over the tokens of the global batch that are asked for."""

    config: PrefixLMConfig

    def forward(self, states: States) -> Tensor:
        model = states.model
        fused = states.once("causal_text_fused", lambda: model.fuse(states.text, states.video, causal=True))
        return token_loss(model, fused, states["prefix_labels"], states["text_mask"].bool())
