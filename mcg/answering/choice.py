"""Choosing among given answers: the decoder says how likely each one is, and the likeliest is given.

Trained by generating the right choice (objectives.generation). The released code has fragments of another way only
(docs/facts/mcg_alpro.md 3.4), so this one is ours. The likelihood of a choice is compared per token, or as a whole,
which favours short choices.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from mcg.answering.likelihood import log_likelihoods
from mcg.model.config import ModelConfig
from mcg.model.model import Model
from mcg.model.states import Fused
from mcg.text.texts import Arrays, Texts


class LikelihoodChoice:
    """See the module. max_tokens: longest choice; longer ones are cut."""

    def __init__(self, texts: Texts, max_tokens: int, per_token: bool) -> None:
        self._texts, self._max_tokens, self._per_token = texts, max_tokens, per_token

    def check(self, model: ModelConfig) -> None:
        """Raise ValueError where a model has no decoder."""
        if (missing := model.missing("decode")) is not None:
            raise ValueError(f"choosing by likelihood needs a decoder: {missing}")

    def arrays(self, choices: Sequence[str], right: int, training: bool) -> Arrays:
        """The right choice in training; in evaluation all of them."""
        if training:
            return self._texts.answer(choices[right], self._max_tokens)
        return self._texts.choices(choices, self._max_tokens)

    def scores(self, model: Model, fused: Fused, ids_BNA: Tensor, mask_BNA: Tensor) -> Tensor:
        """float32 (B, N): the score of each choice, more being better."""
        scores_BN = log_likelihoods(model, fused, ids_BNA, mask_BNA)
        return scores_BN / (mask_BNA.sum(2) - 1) if self._per_token else scores_BN  # the first token is given
